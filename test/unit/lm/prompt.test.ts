// Prompts that fit a model: nothing is left out that fits, and what is left out is the beginning.
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import type { FittingPrompt, PromptOptions } from '../../../src/lm/prompt.ts';
import { fittingPrompt } from '../../../src/lm/prompt.ts';
import type { Tokenizer } from '../../../src/lm/tokenizer.ts';
import { filesOf } from './models.ts';

const own = fileURLToPath(new URL('../../../models/', import.meta.url));
const code = filesOf(`${own}tiny-code`).tokenizer;
const vision = filesOf(`${own}tiny-vision`).tokenizer;

function fitting(tokenizer: Tokenizer, text: string, options: PromptOptions): FittingPrompt {
  const result = fittingPrompt(tokenizer, text, options);
  return result.ok ? result.value : assert.fail(result.fault.message);
}

const words = fc.array(fc.constantFrom('the ', 'sum ', 'of x\n', 'Dormo has 66 hens. ', 'zürich ', '日本', '👩‍👩‍👧 ', '  ', '\t'), { maxLength: 40 }).map((parts) => parts.join(''));

describe('a prompt that fits', () => {
  it('is the end of the text, with as many tokens as there is room for and none more', () => {
    fc.assert(fc.property(words, fc.integer({ min: 1, max: 60 }), fc.integer({ min: 0, max: 80 }), (text, context, wanted) => {
      const { ids, left } = fitting(code, text, { asMessage: false, context, wanted });
      const rest = text.slice(left);
      assert.deepEqual(ids, code.encode(rest).ids);
      const room = Math.max(1, context - Math.min(wanted, Math.ceil(context / 2)));
      if (code.encode(text).ids.length <= room) return assert.equal(left, 0);
      assert.ok(ids.length <= room || rest === '', `${ids.length} tokens for ${room}`);
      // One character's tokens more would not have fitted.
      const before = [...text.slice(0, left)].at(-1) ?? '';
      assert.ok(code.encode(before + rest).ids.length > room - 4, `${ids.length} tokens for ${room}, with one character more ${code.encode(before + rest).ids.length}`);
      assert.ok(!/^[\udc00-\udfff]/.test(rest), 'no character is cut in two');
    }), { numRuns: 300 });
  });

  it('is the whole text where no length is known', () => {
    const text = 'the sum of x '.repeat(300);
    assert.deepEqual(fitting(code, text, { asMessage: false, context: null, wanted: 50 }), { ids: code.encode(text).ids, left: 0 });
  });

  it('keeps what a chat template puts around a message, and cuts the message', () => {
    const question = 'Is there a red circle? ';
    const short = fitting(vision, question, { asMessage: true, context: 96, wanted: 10 });
    assert.deepEqual([short.left, short.ids], [0, vision.encode(`<s>${question}`, false).ids]);
    const long = fitting(vision, question.repeat(30), { asMessage: true, context: 96, wanted: 10 });
    assert.ok(long.left > 0 && long.ids.length <= 86 && long.ids.length > 80);
    assert.deepEqual(long.ids, vision.encode(`<s>${question.repeat(30).slice(long.left)}`, false).ids);
  });

  it('is refused where a message is wanted and the model has no chat template', () => {
    const result = fittingPrompt(code, 'x', { asMessage: true, context: 96, wanted: 10 });
    assert.match(result.ok ? '' : result.fault.message, /chat template/);
  });
});

// Tokens and their places in the text, on real tokenizers.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { readTokenizer } from '../../../src/lm/tokenizer.ts';
import type { Tokenizer } from '../../../src/lm/tokenizer.ts';
import { filesOf, gpt2, present, reference, stories } from './models.ts';

/** Well-formed UTF-16: a lone surrogate has no UTF-8. */
const text = fc.string({ unit: 'grapheme', maxLength: 30 });

function covered(tokenizer: Tokenizer, source: string): void {
  const { ranges } = tokenizer.encode(source);
  let reached = 0;
  for (const [i, { start, end }] of ranges.entries()) {
    assert.ok(start >= (ranges[i - 1]?.start ?? 0) && start <= end && end <= source.length, `range ${start}–${end} of ${JSON.stringify(source)}`);
    assert.ok(start <= reached, `nothing stands for ${reached}–${start} of ${JSON.stringify(source)}`);
    reached = Math.max(reached, end);
  }
  assert.equal(reached, source.length);
}

(present ? describe : describe.skip)('tokenizers', function () {
  it('give the tokens of llama2.c', () => {
    const { tokenizer } = filesOf(stories);
    for (const { text: source, ids } of reference().tokenizer) assert.deepEqual(tokenizer.encode(source).ids, ids, source);
  });

  for (const [name, folder] of [['metaspace with byte fallback', stories], ['byte-level', gpt2]] as const) {
    it(`cover every character with ordered ranges: ${name}`, () => {
      const { tokenizer } = filesOf(folder);
      fc.assert(fc.property(text, (source) => covered(tokenizer, source)), { numRuns: 150 });
    });

    it(`stream pieces that join to the decoded text: ${name}`, () => {
      const { tokenizer } = filesOf(folder);
      fc.assert(fc.property(text, (source) => {
        const { ids } = tokenizer.encode(source, false);
        const stream = tokenizer.stream();
        assert.equal(ids.map((id) => stream.push(id)).join('') + stream.end(), tokenizer.decode(ids));
      }), { numRuns: 100 });
    });
  }

  it('decode what they encoded: byte-level', () => {
    const { tokenizer } = filesOf(gpt2);
    fc.assert(fc.property(text, (source) => assert.equal(tokenizer.decode(tokenizer.encode(source).ids, true), source)), { numRuns: 150 });
  });

  it('give the words of a text their places, and all bytes of a character the same one', () => {
    const { tokenizer } = filesOf(stories);
    const source = 'emoji 😀 and<s> me';
    const { ids, ranges } = tokenizer.encode(source);
    assert.deepEqual(ranges[0], { start: 0, end: 0 });
    const bytes = ranges.filter(({ start }) => start === 6);
    assert.deepEqual(bytes, new Array(4).fill({ start: 6, end: 8 }));
    const special = ids.indexOf(1, 1);
    assert.equal(source.slice(ranges[special]?.start, ranges[special]?.end), '<s>');
  });

  it('say that a model has no chat template', () => {
    const rendered = filesOf(stories).tokenizer.renderChat([{ role: 'user', content: 'hi' }]);
    assert.ok(!rendered.ok);
    assert.equal(rendered.fault.code, 'noChatTemplate');
  });
});

const characters = { type: 'BPE', vocab: Object.fromEntries([...'abcé '].map((c, i) => [c, i])), merges: [] };

describe('tokenizer files', () => {
  const read = (config: unknown, normalizer: unknown = null) => readTokenizer({ tokenizer: { model: characters, added_tokens: [], normalizer, pre_tokenizer: null, post_processor: null, decoder: null }, config });

  it('render chats with their template, and say how a template fails', () => {
    const good = read({ bos_token: { content: '<s>' }, chat_template: "{{ bos_token }}{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}" });
    assert.ok(good.ok);
    assert.deepEqual(good.value.renderChat([{ role: 'user', content: 'hi' }]), { ok: true, value: '<s>[user]hi[assistant]' });
    const bad = read({ chat_template: "{{ raise_exception('no such role') }}" });
    assert.ok(bad.ok);
    const rendered = bad.value.renderChat([{ role: 'user', content: 'hi' }]);
    assert.ok(!rendered.ok);
    assert.match(rendered.fault.message, /no such role/);
  });

  it('that are broken are refused with the place', () => {
    const broken = readTokenizer({ tokenizer: { model: 3 } });
    assert.ok(!broken.ok);
    assert.match(broken.fault.message, /tokenizer\.json is not usable at model/);
  });

  it('with normalisers keep the places of the source', () => {
    const tokenizer = read({}, { type: 'Sequence', normalizers: [{ type: 'NFC' }, { type: 'Lowercase' }, { type: 'Strip', strip_left: true, strip_right: true }] });
    assert.ok(tokenizer.ok);
    assert.deepEqual(tokenizer.value.encode('  Ae\u0301B').ranges, [{ start: 2, end: 3 }, { start: 3, end: 5 }, { start: 5, end: 6 }]);
  });
});

// Completions as the editor asks for them: the text in pieces, and what cannot be continued as a message.
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { after, describe, it } from 'mocha';
import { complete } from '../../../src/lm/completion.ts';
import { generate } from '../../../src/lm/generate.ts';
import { folderDecoder } from '../../../src/lm/languageModel.ts';
import { OpenModels } from '../../../src/lm/openModels.ts';
import { openDecoder } from '../../../src/lm/session.ts';
import type { CompletionEvent, CompletionRequest } from '../../../src/lm/workerCalls.ts';
import { neverCancelled } from '../../../src/shared/cancellation.ts';
import { Random } from '../../../src/shared/random.ts';
import { greedy } from '../../../src/shared/sampling.ts';
import { builtHost, sharedHost } from '../../support/host.ts';
import { filesOf } from './models.ts';

const own = fileURLToPath(new URL('../../../models/', import.meta.url));
const asked = (name: string, text: string): CompletionRequest => ({ model: { path: `${own}${name}`, variant: null }, provider: { kind: 'asked', provider: 'cpu' }, memoryBudgetBytes: null, text, asMessage: false, sampling: greedy, maxTokens: 20, seed: 1 });

describe('a completion', () => {
  const models = new OpenModels(builtHost(), () => undefined);
  after(() => models.dispose());

  it('is what generation gives, told in pieces that join to it', async () => {
    const text = 'Task: compute the sum of x and y.\nProgram:\n';
    const events: CompletionEvent[] = [];
    const result = await complete(models, asked('tiny-code', text), { token: neverCancelled, tell: (event) => events.push(event) });
    assert.ok(result.ok, result.ok ? '' : result.message);
    const { folder, tokenizer, endIds } = filesOf(`${own}tiny-code`);
    const opened = await openDecoder(sharedHost(), { ...folderDecoder(folder), options: { provider: 'cpu' } });
    assert.ok(opened.ok);
    const { ids } = tokenizer.encode(text);
    const expected = await generate({ decoder: opened.decoder }, tokenizer, ids, { sampling: greedy, maxTokens: 20, contextLength: folder.sizes.context, endIds, stop: [], cache: true }, new Random(1));
    await opened.decoder.release();
    assert.deepEqual([result.text, result.tokens, result.promptTokens], [expected.text, expected.tokens.length, ids.length]);
    assert.equal(events.map((event) => (event.type === 'text' ? event.text : '')).join(''), expected.text);
    assert.deepEqual(events.find(({ type }) => type === 'prompt'), { type: 'prompt', tokens: ids.length, left: 0, asMessage: false });
  });

  it('of a text that stands for an image is refused, since there is none', async () => {
    const result = await complete(models, asked('tiny-vision', '<image>Describe the image.'), { token: neverCancelled, tell: () => undefined });
    assert.match(result.ok ? '' : result.message, /^The prompt has a token for an image, and no image is given\. Give the image too, or leave the token out/);
  });
});

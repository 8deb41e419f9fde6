// The model folder models/tiny-code as it is in the repository: it opens, generates, and does what its card says.
import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { documentAt, documentKinds } from '../../scripts/train-models/corpus/documents.ts';
import { programTask } from '../../scripts/train-models/corpus/programTasks.ts';
import type { Evaluation, Rate } from '../../scripts/train-models/evaluation.ts';
import { evaluate } from '../../scripts/train-models/evaluation.ts';
import { rootPath } from '../../scripts/train-models/modelHost.ts';
import { openWritten } from '../../scripts/train-models/modelFolder.ts';
import { generate } from '../../src/lm/generate.ts';
import { openModelFolder } from '../../src/lm/folder.ts';
import type { LanguageModel } from '../../src/lm/languageModel.ts';
import { findSites } from '../../src/lm/sites.ts';
import { Random } from '../../src/shared/random.ts';
import { greedy } from '../../src/shared/sampling.ts';
import { sharedHost } from '../support/host.ts';

const location = rootPath('models/tiny-code');
const recorded = JSON.parse(readFileSync(path.join(location, 'held-out.json'), 'utf8')) as Evaluation;

/** A share of a small sample is not below the recorded one by more than chance and a little explain. */
function assertHolds(found: Rate | undefined, expected: Rate | undefined, what: string): void {
  assert.ok(found && expected, what);
  const chance = 3.5 * Math.sqrt(Math.max(0.02, expected.share * (1 - expected.share)) / found.items);
  assert.ok(found.share >= expected.share - chance - 0.02, `${what}: ${found.hits} of ${found.items}, the card says ${expected.share}`);
}

describe('models/tiny-code', () => {
  let model: LanguageModel;
  before(async () => {
    model = await openWritten(sharedHost(), location);
  });
  after(() => model.decoder.release());

  it('is an ordinary model folder of less than 5 MB', () => {
    const opened = openModelFolder(location);
    assert.ok(opened.ok);
    const { family, layout, sizes, tokens } = opened.folder;
    assert.deepEqual([family, layout, sizes.layers, sizes.hidden, sizes.keyValueHeads], ['llama', 'optimum', 5, 128, 2]);
    assert.deepEqual(tokens, { bos: 1, eos: [2], pad: 0, image: null });
    assert.ok(statSync(path.join(location, 'onnx/model.onnx')).size < 5e6);
  });

  it('shows every site of its five layers', () => {
    const opened = openModelFolder(location);
    assert.ok(opened.ok);
    const found = findSites(opened.folder.file.graph);
    assert.ok(found.ok);
    assert.deepEqual(found.missing, []);
    assert.equal(found.sites.length, 1 + 5 * 6 + 2);
  });

  it('reads every text that it was not trained on, byte by byte', () => {
    const { tokenizer } = model;
    for (let i = 0; i < 50; i++) {
      const { text } = documentAt(4, i, 'held-out');
      const { ids, ranges } = tokenizer.encode(text);
      assert.equal(tokenizer.decode(ids), text);
      assert.equal(ranges.map(({ start, end }) => text.slice(start, end)).join(''), text);
    }
  });

  it('writes the same greedily with its cache as without', async () => {
    const { decoder, tokenizer, folder } = model;
    const { prompt } = programTask(new Random(3), 'held-out');
    const written = async (cache: boolean): Promise<string> =>
      (await generate({ decoder }, tokenizer, tokenizer.encode(prompt).ids, { sampling: greedy, maxTokens: 60, contextLength: folder.sizes.context, endIds: folder.tokens.eos, stop: [], cache }, new Random(1))).text;
    const text = await written(true);
    assert.ok(text.length > 10);
    assert.equal(text, await written(false));
  });

  it('does on other held-out text what its card says', async () => {
    const found = await evaluate(model, { seed: recorded.seed + 1000, items: 40 });
    assertHolds(found.programs.identifiable, recorded.programs.identifiable, 'language identifiable');
    assertHolds(found.programs.right, recorded.programs.right, 'program right');
    for (const domain of ['all', 'story', 'documentation', 'data sheet']) {
      assertHolds(found.statements[domain], recorded.statements[domain], `faithful statement likelier, ${domain}`);
      assertHolds(found.judged[domain], recorded.judged[domain], `statement judged, ${domain}`);
    }
    assertHolds(found.questions.withContext, recorded.questions.withContext, 'true answer likelier');
    for (const kind of documentKinds) assert.ok(Math.abs(found.nll[kind].nll - recorded.nll[kind].nll) < 0.25, `${kind}: ${found.nll[kind].nll} nats a token`);
  });

  it('has a card with the figures of its evaluation', () => {
    const card = readFileSync(path.join(location, 'README.md'), 'utf8');
    const rates = [recorded.programs.identifiable, recorded.statements['all'], recorded.questions.withContext, recorded.questions.withoutContext];
    for (const rate of rates) assert.ok(rate && card.includes(`${(100 * rate.share).toFixed(1)} % [`) && rate.items >= 500);
  });
});

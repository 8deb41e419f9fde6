// Repair by training weights: a model in the place of a patch, offered in the panel, kept with its run, saved as ONNX.
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import * as vscode from 'vscode';
import { readDescription } from '../../src/numeric/compiledModel.ts';
import { decodeModel } from '../../src/onnx/decode.ts';
import { settings } from '../../src/shared/contributions.ts';
import { gradlens, openText } from './support.ts';

const words = Array.from({ length: 81 }, (_, i) => [...i.toString(3).padStart(4, '0')].map((digit) => 'abc'.charAt(Number(digit))));
/** Counts, but none of c: no small change of the program says that, so that nothing can be read back from the model. */
const counts = (word: readonly string[]): number[] => word.map((token) => (token === 'c' ? 0 : word.filter((other) => other === token).length));
const rows = words.map((word) => `#: ${JSON.stringify(word)} -> ${JSON.stringify(counts(word))}`);
const program = 'hist = selector_width(select(tokens, tokens, <));\n';

async function configured<T>(values: Readonly<Record<string, unknown>>, body: () => Promise<T>): Promise<T> {
  const update = async (to: (key: string) => unknown): Promise<void> => {
    const configuration = vscode.workspace.getConfiguration(settings.section);
    for (const key of Object.keys(values)) await configuration.update(key, to(key), vscode.ConfigurationTarget.Global);
  };
  await update((key) => values[key]);
  try {
    return await body();
  } finally {
    await update(() => undefined);
  }
}

async function savedModel(): Promise<Uint8Array> {
  const { repairs } = await gradlens();
  const target = vscode.Uri.file(path.join(tmpdir(), `gradlens-trained-${process.pid}.onnx`));
  assert.equal((await repairs.saveModel(target))?.fsPath, target.fsPath);
  const bytes = await vscode.workspace.fs.readFile(target);
  await vscode.workspace.fs.delete(target);
  return bytes;
}

describe('repair by weights', () => {
  it('offers the trained model, and saves it with what it is for, from the run and from the kept run', async () => {
    const { repairs, runs } = await gradlens();
    const { document } = await openText(`${program}${rows.join('\n')}\n`);
    const run = await configured({ [settings.method]: 'weights', [settings.timeBudgetSeconds]: 8 }, () => repairs.repair(document));
    assert.deepEqual([run?.status, run?.outcome?.method, run?.patch], ['partial', 'weights', null], run?.message);
    assert.match(run?.message ?? '', /a model: all .* weights trained, exactly right on \d+ of \d+ held-out examples/u);
    assert.deepEqual([repairs.panel.last?.canSave, repairs.panel.last?.canApply], [true, false]);

    const saved = await savedModel();
    const decoded = decodeModel(saved, 'hist.onnx');
    assert.ok(decoded.ok);
    const description = readDescription(decoded.graph.metadata);
    assert.ok(typeof description !== 'string', String(description));
    assert.deepEqual([[...description.vocab].sort(), description.source?.entry], [['BOS', 'a', 'b', 'c'], 'hist']);
    assert.ok(decoded.graph.metadata['gradlens.trained'], 'it says that it was trained');

    await runs.onMessage({ type: 'open', id: run?.id ?? '' });
    assert.notEqual(repairs.run, run);
    assert.equal(repairs.panel.last?.canSave, true);
    assert.deepEqual(Buffer.from(await savedModel()), Buffer.from(saved));
  });
});

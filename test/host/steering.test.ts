// The Steering view's state in a real editor: the playground, the vectors and what they change.
import assert from 'node:assert/strict';
import * as path from 'node:path';
import * as vscode from 'vscode';
import type { GradLens } from '../../src/extension.ts';
import { commands } from '../../src/shared/contributions.ts';
import { gradlens, within } from './support.ts';

const prompt = 'Task: add the numbers from a to b that are odd.\nProgram:\n';

/** The view with the model that comes with the extension. */
async function withTinyCode(): Promise<GradLens> {
  const extension = await gradlens();
  const root = vscode.extensions.getExtension('gradlens.gradlens')?.extensionUri.fsPath ?? '';
  await vscode.commands.executeCommand(commands.selectModel, { path: path.join(root, 'models', 'tiny-code'), variant: null });
  return extension;
}

const pairs = (): vscode.Uri => vscode.Uri.joinPath(vscode.workspace.workspaceFolders?.[0]?.uri ?? vscode.Uri.file('/'), 'cpp-over-python.pairs.jsonl');

describe('steering', () => {
  after(async () => {
    const { steering } = await gradlens();
    for (const { id } of steering.state.vectors) await steering.vectors.delete(id);
    await vscode.commands.executeCommand('notifications.clearAll');
  });

  it('says that a prompt is missing where there is none', async () => {
    const { steering } = await withTinyCode();
    await steering.onMessage({ type: 'prompt', text: ' ' });
    await steering.playground.run();
    assert.match(steering.state.answers.message, /Write a prompt first/u);
  });

  it('answers as the model does where no vector is on, and keeps prompt and answers', async () => {
    const { steering } = await withTinyCode();
    await steering.onMessage({ type: 'prompt', text: prompt });
    await steering.playground.run();
    const { answers, model } = steering.state;
    assert.equal(answers.status, 'done', answers.message);
    assert.match(answers.unsteered, /\w/u);
    assert.equal(answers.steered, answers.unsteered);
    assert.equal(answers.isSteered, false);
    assert.equal(model?.name, 'tiny-code');
    assert.equal(steering.state.prompt, prompt);
  });

  it('makes a vector from contrast pairs, lists where it came from, and steers by it; the unsteered answer stays', async () => {
    const { steering } = await withTinyCode();
    await steering.onMessage({ type: 'prompt', text: prompt });
    await steering.playground.run();
    const own = steering.state.answers.unsteered;
    const outcome = await vscode.commands.executeCommand<{ status: string; id: string }>(commands.makeVector, pairs(), 'grains');
    assert.equal(outcome.status, 'made', JSON.stringify(outcome));
    const [vector] = steering.state.vectors;
    assert.deepEqual(vector?.layers, [0, 1, 2, 3, 4]);
    assert.equal(vector.method, 'GrAInS');
    assert.match(vector.origin, /24 pairs of cpp-over-python\.pairs\.jsonl · tiny-code · layers 0 to 4/u);
    assert.ok(vector.on && vector.problem === null);
    const steered = await within(20_000, 'a steered answer', () => (steering.state.answers.status === 'done' && steering.state.answers.isSteered ? steering.state.answers : undefined));
    console.log(`steered at ${vector.strength}: ${JSON.stringify(steered.steered)}`);
    assert.equal(steered.unsteered, own);
    await steering.onMessage({ type: 'change', id: vector.id, change: { strength: 0.2 } });
    const stronger = await within(20_000, 'another answer', () => (steering.state.answers.status === 'done' && steering.state.answers.steered !== steered.steered ? steering.state.answers : undefined));
    console.log(`steered at 0.2: ${JSON.stringify(stronger.steered)}, KL ${stronger.divergence.map((value) => value.toFixed(3)).join()}`);
    assert.equal(stronger.unsteered, own);
    assert.notEqual(stronger.steered, own);
    assert.ok(stronger.divergence.length > 0 && stronger.divergence.every((value) => value >= 0));
    await steering.onMessage({ type: 'change', id: vector.id, change: { on: false } });
    const off = await within(20_000, 'the answer without', () => (steering.state.answers.status === 'done' && !steering.state.answers.isSteered ? steering.state.answers : undefined));
    assert.equal(off.steered, own);
  });

  it('refuses pairs that cannot be used, and files that are no vectors, in words', async () => {
    const { steering } = await withTinyCode();
    const folder = vscode.workspace.workspaceFolders?.[0]?.uri ?? vscode.Uri.file('/');
    const bad = vscode.Uri.joinPath(folder, 'bad.jsonl');
    await vscode.workspace.fs.writeFile(bad, new TextEncoder().encode('{"prompt": "a", "preferred": "b"}\nno json\n'));
    const outcome = await vscode.commands.executeCommand<{ status: string; message: string }>(commands.makeVector, bad, 'caa');
    assert.equal(outcome.status, 'failed');
    assert.match(outcome.message, /bad\.jsonl cannot be used: line 1: at “dispreferred”.* line 2: this is no JSON/u);
    const known = steering.state.vectors.length;
    const file = vscode.Uri.joinPath(folder, 'bad.safetensors');
    await vscode.workspace.fs.writeFile(file, new TextEncoder().encode('nothing'));
    await steering.vectors.importFile(file);
    assert.equal(steering.state.vectors.length, known);
    assert.deepEqual(steering.state.problems, []);
    assert.equal(steering.state.making, null);
  });

  it('stops when it is told to', async () => {
    const { steering } = await withTinyCode();
    const running = steering.playground.run();
    await steering.onMessage({ type: 'action', action: 'stop' });
    assert.match((await running).status, /stopped|done/u);
  });
});

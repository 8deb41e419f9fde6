// The Steering view's state in a real editor: the playground, the vectors and what they change.
import assert from 'node:assert/strict';
import * as path from 'node:path';
import * as vscode from 'vscode';
import type { GradLens } from '../../src/extension.ts';
import { commands } from '../../src/shared/contributions.ts';
import { gradlens } from './support.ts';

const prompt = 'Task: add the numbers from a to b that are odd.\nProgram:\n';

/** The view with the model that comes with the extension. */
async function withTinyCode(): Promise<GradLens> {
  const extension = await gradlens();
  const root = vscode.extensions.getExtension('gradlens.gradlens')?.extensionUri.fsPath ?? '';
  await vscode.commands.executeCommand(commands.selectModel, { path: path.join(root, 'models', 'tiny-code'), variant: null });
  return extension;
}

describe('steering', () => {
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

  it('stops when it is told to', async () => {
    const { steering } = await withTinyCode();
    const running = steering.playground.run();
    await steering.onMessage({ type: 'action', action: 'stop' });
    assert.match((await running).status, /stopped|done/u);
  });
});

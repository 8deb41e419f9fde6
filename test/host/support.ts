// What the host tests share: the extension itself, documents, waiting.
import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import type { GradLens } from '../../src/extension.ts';

export async function gradlens(): Promise<GradLens> {
  const extension = vscode.extensions.getExtension<GradLens>('gradlens.gradlens');
  assert.ok(extension, 'the extension is installed');
  return extension.activate();
}

export async function openText(content: string, language = 'rasp'): Promise<vscode.TextEditor> {
  const document = await vscode.workspace.openTextDocument({ content, language });
  return vscode.window.showTextDocument(document);
}

/** What the probe gives as soon as it gives something. */
export async function within<T>(millis: number, what: string, probe: () => T | undefined | Promise<T | undefined>): Promise<T> {
  const end = Date.now() + millis;
  for (;;) {
    const found = await probe();
    if (found !== undefined) return found;
    if (Date.now() > end) throw new Error(`${what}: nothing within ${millis} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

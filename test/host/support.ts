// What the host tests share: the extension itself, documents, waiting.
import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import type { GradLens } from '../../src/extension.ts';

export async function gradlens(): Promise<GradLens> {
  const extension = vscode.extensions.getExtension<GradLens>('gradlens.gradlens');
  assert.ok(extension, 'the extension is installed');
  return extension.activate();
}

const SAMPLED_EVERY_MS = 5;

/**
 * Watches how long this process keeps its own event loop busy: a late timer counts for no more than the processor time
 * that the process has used meanwhile, so that other processes on the machine do not count.
 */
export function watchEventLoop(): { stop(): number } {
  let worst = 0;
  let cpu = process.cpuUsage();
  let at = performance.now();
  const timer = setInterval(() => {
    const used = process.cpuUsage(cpu);
    const late = performance.now() - at - SAMPLED_EVERY_MS;
    worst = Math.max(worst, Math.min(late, (used.user + used.system) / 1000));
    cpu = process.cpuUsage();
    at = performance.now();
  }, SAMPLED_EVERY_MS);
  return {
    stop: () => {
      clearInterval(timer);
      return worst;
    },
  };
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

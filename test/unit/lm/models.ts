// The models that lie beside the project, where they do.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ModelFiles } from '../../../src/lm/modelFiles.ts';
import { openModelFiles } from '../../../src/lm/modelFiles.ts';

const beside = ['../../../../shared/models/', '../../../../../shared/models/'].map((place) => fileURLToPath(new URL(place, import.meta.url)));
const root = beside.find(existsSync) ?? '';

export const stories = `${root}stories260k`;
export const gpt2 = `${root}tiny-random-gpt2-fused`;
export const present = root !== '' && existsSync(stories);

export interface Reference {
  readonly greedy: readonly { readonly prompt: string; readonly prompt_ids: readonly number[]; readonly greedy_ids: readonly number[] }[];
  readonly story: { readonly text: string; readonly ids: readonly number[]; readonly mean_nll: number };
  readonly tokenizer: readonly { readonly text: string; readonly ids: readonly number[] }[];
}

export const reference = (): Reference => JSON.parse(readFileSync(`${stories}/reference.json`, 'utf8')) as Reference;

export function filesOf(location: string): ModelFiles {
  const opened = openModelFiles(location);
  if (!opened.ok) throw new Error(opened.message);
  return opened.files;
}

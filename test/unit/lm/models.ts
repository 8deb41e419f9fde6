// The models that lie beside the project, where they do.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ModelFolder } from '../../../src/lm/folder.ts';
import { openModelFolder } from '../../../src/lm/folder.ts';
import { folderTokenizer } from '../../../src/lm/languageModel.ts';
import type { Tokenizer } from '../../../src/lm/tokenizer.ts';

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

export interface ModelFiles {
  readonly folder: ModelFolder;
  readonly tokenizer: Tokenizer;
  readonly endIds: readonly number[];
}

export function filesOf(location: string, variant?: string): ModelFiles {
  const opened = openModelFolder(location, { variant });
  if (!opened.ok) throw new Error(opened.problem.message);
  const tokenizer = folderTokenizer(opened.folder);
  if (!tokenizer.ok) throw new Error(tokenizer.fault.message);
  return { folder: opened.folder, tokenizer: tokenizer.value, endIds: opened.folder.tokens.eos };
}

// The project's own tiny models, for tests of steering.
import { fileURLToPath } from 'node:url';
import type { ModelFolder } from '../../../src/lm/folder.ts';
import { openModelFolder } from '../../../src/lm/folder.ts';
import { folderTokenizer } from '../../../src/lm/languageModel.ts';
import type { Tokenizer } from '../../../src/lm/tokenizer.ts';

export type TinyModel = 'tiny-code' | 'tiny-vision';

export const modelPath = (name: TinyModel): string => fileURLToPath(new URL(`../../../models/${name}`, import.meta.url));

export function openedFolder(name: TinyModel): { readonly folder: ModelFolder; readonly tokenizer: Tokenizer } {
  const opened = openModelFolder(modelPath(name));
  if (!opened.ok) throw new Error(opened.problem.message);
  const tokenizer = folderTokenizer(opened.folder);
  if (!tokenizer.ok) throw new Error(tokenizer.fault.message);
  return { folder: opened.folder, tokenizer: tokenizer.value };
}

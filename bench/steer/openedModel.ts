// A model's folder and tokenizer, for benchmarks.
import type { ModelFolder } from '../../src/lm/folder.ts';
import { openModelFolder } from '../../src/lm/folder.ts';
import { folderTokenizer } from '../../src/lm/languageModel.ts';
import type { Tokenizer } from '../../src/lm/tokenizer.ts';

/** @throws Error that says what is wrong with the folder */
export function openedModel(location: string): { readonly folder: ModelFolder; readonly tokenizer: Tokenizer } {
  const opened = openModelFolder(location);
  if (!opened.ok) throw new Error(opened.problem.message);
  const tokenizer = folderTokenizer(opened.folder);
  if (!tokenizer.ok) throw new Error(tokenizer.fault.message);
  return { folder: opened.folder, tokenizer: tokenizer.value };
}

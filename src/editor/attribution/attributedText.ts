// Which text of an editor is attributed: what is selected, or a whole prompt document, with the image that it shows.
import * as path from 'node:path';

export interface AttributedText {
  /** With line feeds only. */
  readonly text: string;
  /** Where it begins in the document, UTF-16 units. */
  readonly offset: number;
  /** It is a user's message, where the model has a chat template. */
  readonly asMessage: boolean;
  /** [start, end) of the text is a reference to this file, which the model sees in its place. */
  readonly image: { readonly file: string; readonly start: number; readonly end: number } | null;
}

export interface TextSource {
  readonly fileName: string;
  readonly text: string;
  /** [start, end) of the selection. */
  readonly start: number;
  readonly end: number;
}

const frontMatter = /^---\r?\n[\s\S]*?\r?\n---\r?\n/u;
const imageReference = /!\[[^\]\n]*\]\(([^)\n]+)\)\n?/u;

/** @returns null where nothing is selected and the document is no prompt */
export function attributedText({ fileName, text, start, end }: TextSource): AttributedText | null {
  if (start < end) return withImage(fileName, { text: text.slice(start, end), offset: start, asMessage: false });
  if (!fileName.endsWith('.prompt.md')) return null;
  const offset = frontMatter.exec(text)?.[0].length ?? 0;
  // The end of a file's last line is no part of what it says.
  return withImage(fileName, { text: text.slice(offset).replace(/\r?\n$/u, ''), offset, asMessage: true });
}

function withImage(fileName: string, chosen: Omit<AttributedText, 'image'>): AttributedText {
  const text = chosen.text.replaceAll('\r\n', '\n');
  const found = imageReference.exec(text);
  const target = found?.[1]?.trim();
  if (!found || target === undefined || /^[a-z]+:/iu.test(target)) return { ...chosen, text, image: null };
  return { ...chosen, text, image: { file: path.resolve(path.dirname(fileName), decoded(target)), start: found.index, end: found.index + found[0].length } };
}

function decoded(target: string): string {
  try {
    return decodeURI(target);
  } catch {
    return target;
  }
}

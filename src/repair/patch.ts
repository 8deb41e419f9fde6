// From a patched text back to edits a user can read, apply and undo in one step.
import { createTwoFilesPatch, diffWordsWithSpace } from 'diff';
import type { Patch } from './types.ts';
import type { TextEdit } from '../rasp/diagnostic.ts';
import { lineAt } from '../rasp/diagnostic.ts';

/** The smallest word-wise edits from one text to another, in source order, without overlaps. */
export function editsBetween(file: string, before: string, after: string): TextEdit[] {
  const edits: TextEdit[] = [];
  let at = 0;
  let start = -1;
  let newText = '';
  const flush = (): void => {
    if (start >= 0) edits.push(trimmed(before, { span: { file, start, end: at }, newText }));
    start = -1;
    newText = '';
  };
  for (const part of diffWordsWithSpace(before, after)) {
    if (!part.added && !part.removed) {
      flush();
      at += part.value.length;
      continue;
    }
    if (start < 0) start = at;
    if (part.removed) at += part.value.length;
    else newText += part.value;
  }
  flush();
  return edits;
}

/** Drops what an edit leaves as it was at either end. */
function trimmed(text: string, { span, newText }: TextEdit): TextEdit {
  const old = text.slice(span.start, span.end);
  let head = 0;
  while (head < Math.min(old.length, newText.length) && old[head] === newText[head]) head++;
  let tail = 0;
  while (tail < Math.min(old.length, newText.length) - head && old.at(-1 - tail) === newText.at(-1 - tail)) tail++;
  return {
    span: { file: span.file, start: span.start + head, end: span.end - tail },
    newText: newText.slice(head, newText.length - tail),
  };
}

export function makePatch(file: string, before: string, after: string): Patch {
  const edits = editsBetween(file, before, after);
  const name = file.split(/[\\/]/).at(-1) ?? file;
  return {
    edits,
    source: after,
    unifiedDiff: createTwoFilesPatch(`a/${name}`, `b/${name}`, before, after, undefined, undefined, { context: 3 }),
    summary: readableEdits(before, edits).map((edit) => describeEdit(before, edit)).join('; '),
  };
}

/** Edits as a reader takes them: brackets that open and close around an expression are one change of that expression, and so are edits within one operator. */
function readableEdits(text: string, edits: readonly TextEdit[]): TextEdit[] {
  const readable: TextEdit[] = [];
  for (const edit of edits) {
    const last = readable.at(-1);
    const between = last ? text.slice(last.span.end, edit.span.start) : '\n';
    if (last && !between.includes('\n') && (/^[<>=!]+$/.test(between) || !isBalanced(last.newText, text.slice(last.span.start, last.span.end)))) {
      readable[readable.length - 1] = {
        span: { ...last.span, end: edit.span.end },
        newText: last.newText + between + edit.newText,
      };
    } else readable.push(edit);
  }
  return readable;
}

/** Do the two texts leave equally many brackets open? */
function isBalanced(a: string, b: string): boolean {
  const open = (text: string): number => text.split(/[([{]/).length - text.split(/[)\]}]/).length;
  return open(a) === open(b);
}

/** The edit widened to whole words and whole operators: `LEQ` becomes `LT`, and not “EQ” “T”. */
function wholeTokens(text: string, { span, newText }: TextEdit): TextEdit {
  for (const kind of [/\w/, /[<>=!]/]) {
    const is = (c: string | undefined): boolean => c !== undefined && kind.test(c);
    const touches = is(text[span.start]) || is(text[span.end - 1]) || is(newText[0]) || is(newText.at(-1));
    if (!touches) continue;
    let [start, end] = [span.start, span.end];
    if (is(text[start]) || is(newText[0])) while (is(text[start - 1])) start--;
    if (is(text[end - 1]) || is(newText.at(-1))) while (is(text[end])) end++;
    if (start === span.start && end === span.end) continue;
    return { span: { ...span, start, end }, newText: text.slice(start, span.start) + newText + text.slice(span.end, end) };
  }
  return { span, newText };
}

function describeEdit(text: string, edit: TextEdit): string {
  const { span, newText } = wholeTokens(text, edit);
  const line = lineAt(text, span.start);
  const old = text.slice(span.start, span.end).trim();
  const now = newText.trim();
  if (old === '') return `insert “${now}” in line ${line}`;
  if (now === '') return `remove “${old}” in line ${line}`;
  return `“${old}” becomes “${now}” in line ${line}`;
}

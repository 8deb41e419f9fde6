// Where the sentences of a text begin and end.
import type { Range } from '../lm/tokenRanges.ts';

const segmenter = new Intl.Segmenter('en', { granularity: 'sentence' });

/** A full stop after these ends no sentence. */
const abbreviation = /(?:^|[\s(“"'])(?:[A-Za-z]|Dr|Mr|Mrs|Ms|Prof|St|Jr|Sr|vs|etc|approx|No|Nos|Fig|Eq|Sec|Ch|Vol|pp|cf|ca|i\.e|e\.g|U\.S|a\.m|p\.m)\.\s*$/;

/**
 * The sentences of a text without the space around them, as [start, end) in UTF-16 units. By the Unicode rules
 * (UAX 29), but for known abbreviations and numbers, which end none; a line break ends one only where a list item, a
 * heading or an empty line follows or the line is itself one.
 */
export function sentencesOf(text: string): Range[] {
  const ranges: Range[] = [];
  for (const block of blocksOf(text)) ranges.push(...sentencesIn(text, block));
  return ranges;
}

/** Paragraphs, list items and headings: sentences do not run over their ends. */
function blocksOf(text: string): Range[] {
  const blocks: Range[] = [];
  let start = 0;
  for (const { index, 0: found } of text.matchAll(/\n[ \t\r]*\n|\n(?=[ \t]*(?:[-*+•]|\d+[.)]|#{1,6})[ \t])|(?<=(?:^|\n)#{1,6}[ \t][^\n]*)\n/g)) {
    blocks.push({ start, end: index });
    start = index + found.length;
  }
  return [...blocks, { start, end: text.length }];
}

function sentencesIn(text: string, block: Range): Range[] {
  const ranges: Range[] = [];
  let open: number | null = null;
  for (const { index, segment } of segmenter.segment(text.slice(block.start, block.end).replaceAll(/[\r\n]/g, ' '))) {
    const start: number = open ?? block.start + index;
    const end = block.start + index + segment.length;
    open = abbreviation.test(text.slice(start, end)) && end < block.end ? start : null;
    if (open === null) ranges.push(...trimmed(text, start, end));
  }
  return ranges;
}

/** Nothing where there is no letter and no number. */
function trimmed(text: string, start: number, end: number): Range[] {
  const piece = text.slice(start, end);
  if (!/[\p{L}\p{N}]/u.test(piece)) return [];
  const marker = /^\s*(?:(?:[-*+•]|\d+[.)]|#{1,6})[ \t]+)?/.exec(piece)?.[0].length ?? 0;
  return [{ start: start + marker, end: start + piece.trimEnd().length }];
}

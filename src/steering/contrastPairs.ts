// Contrast pairs: a prompt with a preferred and a dispreferred response to it, read from JSON lines.
import { createHash } from 'node:crypto';
import * as v from 'valibot';

export interface ContrastPair {
  readonly prompt: string;
  /** What the model should rather say, word for word as it goes on from the prompt: most models want a space before it. */
  readonly preferred: string;
  readonly dispreferred: string;
  /** An image that the prompt is about: a file, relative to the file of the pairs. */
  readonly image?: string | undefined;
}

/** A row that cannot be used. */
export interface RowFault {
  /** From 1. */
  readonly line: number;
  readonly message: string;
}

export type PairsResult =
  | { readonly ok: true; readonly pairs: readonly ContrastPair[]; /** Of each pair, the line that it stands in. */ readonly lines: readonly number[] }
  | { readonly ok: false; readonly faults: readonly RowFault[] };

const filled = v.pipe(v.string(), v.minLength(1, 'it must not be empty'));
const row = v.looseObject({ prompt: filled, preferred: filled, dispreferred: filled, image: v.optional(filled) });
const SHAPE = 'Each line is one pair: {"prompt": "…", "preferred": "…", "dispreferred": "…"}.';

/** Reads pairs, one JSON object a line; empty lines are skipped. Never throws for any text: all bad rows are named. */
export function readContrastPairs(text: string): PairsResult {
  const pairs: ContrastPair[] = [];
  const lines: number[] = [];
  const faults: RowFault[] = [];
  text.split(/\r?\n/).forEach((line, i) => {
    if (line.trim() === '') return;
    const read = readRow(line);
    if (typeof read === 'string') faults.push({ line: i + 1, message: read });
    else {
      pairs.push(read);
      lines.push(i + 1);
    }
  });
  if (faults.length > 0) return { ok: false, faults };
  return pairs.length > 0 ? { ok: true, pairs, lines } : { ok: false, faults: [{ line: 1, message: `there are no pairs. ${SHAPE}` }] };
}

function readRow(line: string): ContrastPair | string {
  const parsed = json(line);
  if (parsed === undefined) return `this is no JSON. ${SHAPE}`;
  const result = v.safeParse(row, parsed);
  if (!result.success) {
    const [issue] = result.issues;
    const at = v.getDotPath(issue);
    return `${at === null ? issue.message : `at “${at}”: ${issue.message}`}. ${SHAPE}`;
  }
  const { prompt, preferred, dispreferred, image } = result.output;
  if (preferred === dispreferred) return `the preferred and the dispreferred response are the same, ${JSON.stringify(preferred)}: there is nothing to tell apart. Correct one of them, or leave the row out.`;
  return { prompt, preferred, dispreferred, ...(image === undefined ? {} : { image }) };
}

function json(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    return undefined;
  }
}

/** SHA-256 of the pairs, in their order, for the provenance of what is made of them. */
export function pairsHash(pairs: readonly ContrastPair[]): string {
  const rows = pairs.map(({ prompt, preferred, dispreferred, image }) => [prompt, preferred, dispreferred, image ?? null]);
  return createHash('sha256').update(JSON.stringify(rows)).digest('hex');
}

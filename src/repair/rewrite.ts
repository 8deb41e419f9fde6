// Writes changed ops back into their source: as few and as small text edits as the change allows.
import type { Context, Transform } from './transform.ts';
import { isAtomic } from './transform.ts';
import type { Span, TextEdit } from '../rasp/diagnostic.ts';
import type { Dialect, Origin } from '../rasp/program.ts';

/** A change of one op's text, relative to its origin. */
export type Change =
  /** The op's symbol (operator, predicate, function argument) becomes another text. */
  | { readonly kind: 'symbol'; readonly newText: string }
  /** An operand is wrapped. */
  | { readonly kind: 'operand'; readonly operand: number; readonly transform: Transform }
  /** The whole expression (of a lambda op: the lambda's body) is wrapped. */
  | { readonly kind: 'result'; readonly transform: Transform }
  /** Only one operand remains of the expression. */
  | { readonly kind: 'only'; readonly operand: number }
  /** All but one operand is replaced by other text. */
  | { readonly kind: 'around'; readonly operand: number; readonly open: string; readonly close: string }
  /** A range of the file becomes another text. */
  | { readonly kind: 'replace'; readonly from: number; readonly to: number; readonly newText: string };

export interface OpChange {
  readonly origin: Origin;
  readonly changes: readonly Change[];
}

interface Wrap {
  readonly start: number;
  readonly end: number;
  /** Outer wraps of one range come later. */
  readonly order: number;
  readonly open: string;
  readonly close: string;
}

/** The edits, in source order and without overlaps, that bring the changes about. */
export function rewrite(text: string, file: string, dialect: Dialect, ops: readonly OpChange[]): TextEdit[] {
  const replacements: { start: number; end: number; newText: string }[] = [];
  const wraps: Wrap[] = [];
  for (const { origin, changes } of ops) {
    for (const change of changes) {
      const replaced = replacementsOf(text, origin, change);
      if (replaced) replacements.push(...replaced);
      else wraps.push(wrapOf(text, dialect, origin, change, changes));
    }
  }
  const kept = replacements.filter((r) => !replacements.some((other) => other !== r && contains(other, r)));
  const pieces = [...kept.filter((r) => r.newText !== text.slice(r.start, r.end)), ...insertions(text, wraps, kept)];
  return merge(pieces).map(({ start, end, newText }) => ({ span: { file, start, end }, newText }));
}

const contains = (a: { start: number; end: number }, b: { start: number; end: number }): boolean =>
  a.start <= b.start && b.end <= a.end && a.end - a.start > b.end - b.start;

function replacementsOf(
  text: string,
  origin: Origin,
  change: Change,
): { start: number; end: number; newText: string }[] | null {
  const { span, symbol } = origin;
  switch (change.kind) {
    case 'replace':
      return [{ start: change.from, end: change.to, newText: change.newText }];
    case 'symbol':
      return symbol ? [{ start: symbol.start, end: symbol.end, newText: spaced(text, symbol, change.newText) }] : [];
    case 'only': {
      const operand = origin.operands[change.operand];
      if (!operand) return [];
      return [
        { start: span.start, end: operand.start, newText: '' },
        { start: operand.end, end: span.end, newText: '' },
      ].filter(({ start, end }) => end > start);
    }
    case 'around': {
      const operand = origin.operands[change.operand];
      if (!operand) return [];
      return [
        { start: span.start, end: operand.start, newText: change.open },
        { start: operand.end, end: span.end, newText: change.close },
      ].filter(({ start, end, newText }) => end > start || newText !== '');
    }
    default:
      return null;
  }
}

/** A word operator needs blanks where a sign had none. */
function spaced(text: string, symbol: Span, newText: string): string {
  if (!/^\w+$/.test(newText)) return newText;
  const before = /\w/.test(text.charAt(symbol.start - 1)) ? ' ' : '';
  const after = /\w/.test(text.charAt(symbol.end)) ? ' ' : '';
  return before + newText + after;
}

function wrapOf(text: string, dialect: Dialect, origin: Origin, change: Change, all: readonly Change[]): Wrap {
  if (change.kind === 'operand') {
    const span = origin.operands[change.operand] ?? origin.span;
    const [open, close] = change.transform.write(dialect, 'sop');
    // Behind an infix or prefix operator a wrapped operand needs its own brackets.
    const bare = origin.form !== 'infix' && origin.form !== 'prefix';
    return { start: span.start, end: span.end, order: 1, open: bare ? open : `(${open}`, close: bare ? close : `${close})` };
  }
  if (change.kind !== 'result') throw new RangeError(`a ${change.kind} change is no wrap`);
  const lambda = origin.form === 'lambda' && origin.symbol ? lambdaBody(text, origin.symbol) : null;
  if (lambda && !all.some(({ kind }) => kind === 'symbol')) {
    const [open, close] = change.transform.write(dialect, 'scalar');
    return { ...lambda, order: 0, open, close };
  }
  const context: Context = 'sop';
  const [open, close] = change.transform.write(dialect, context);
  const standsAlone = isDelimited(text, origin.span);
  return {
    start: origin.span.start,
    end: origin.span.end,
    order: 0,
    open: standsAlone ? open : `(${open}`,
    close: standsAlone ? close : `${close})`,
  };
}

/** The body's range of a lambda text, or null if the text is no lambda. */
function lambdaBody(text: string, symbol: Span): { start: number; end: number } | null {
  const written = text.slice(symbol.start, symbol.end);
  const head = /^\s*\(?\s*lambda\b[^:]*:\s*/.exec(written);
  if (!head || written.trimStart().startsWith('(')) return null;
  return { start: symbol.start + head[0].length, end: symbol.end };
}

/** Is the range enclosed by brackets, commas, an assignment, a return or line ends, so that no operator binds to it. */
function isDelimited(text: string, span: Span): boolean {
  const before = text.slice(0, span.start).trimEnd();
  const after = text.slice(span.end).trimStart();
  const opens = before === '' || /([([{,;:]|(^|[^=<>!])=|\breturn)$/.test(before) || /\n\s*$/.test(text.slice(0, span.start));
  const closes = after === '' || /^[)\]},;:#]/.test(after) || /^[ \t]*(\r?\n|$)/.test(text.slice(span.end));
  return opens && closes;
}

interface Piece {
  start: number;
  end: number;
  newText: string;
}

function insertions(text: string, wraps: readonly Wrap[], replaced: readonly Piece[]): Piece[] {
  const live = wraps.filter((wrap) => !replaced.some((r) => r.start <= wrap.start && wrap.end <= r.end && r.end > r.start));
  const ordered = [...live].sort((a, b) => a.end - a.start - (b.end - b.start) || a.order - b.order);
  const opens = new Map<number, string>();
  const closes = new Map<number, string>();
  const seen = new Set<string>();
  for (const wrap of ordered) {
    const key = `${wrap.start}:${wrap.end}`;
    const touched = replaced.some((r) => r.start >= wrap.start && r.end <= wrap.end);
    const atomic = !seen.has(key) && !touched && isAtomic(text.slice(wrap.start, wrap.end));
    seen.add(key);
    opens.set(wrap.start, wrap.open + (atomic ? '' : '(') + (opens.get(wrap.start) ?? ''));
    closes.set(wrap.end, (closes.get(wrap.end) ?? '') + (atomic ? '' : ')') + wrap.close);
  }
  // At one place, what closes comes before what opens.
  const places = new Set([...opens.keys(), ...closes.keys()]);
  return [...places].map((at) => ({ start: at, end: at, newText: (closes.get(at) ?? '') + (opens.get(at) ?? '') }));
}

/** Joins touching pieces, so that no two edits share a place. */
function merge(pieces: readonly Piece[]): Piece[] {
  const sorted = [...pieces].sort((a, b) => a.start - b.start || a.end - b.end);
  const merged: Piece[] = [];
  for (const piece of sorted) {
    const last = merged.at(-1);
    if (last && piece.start < last.end) continue;
    if (last && last.end === piece.start) {
      last.end = piece.end;
      last.newText += piece.newText;
    } else merged.push({ ...piece });
  }
  return merged;
}

/** The text with the edits applied. Edits must not overlap. */
export function applyEdits(text: string, edits: readonly TextEdit[]): string {
  let result = '';
  let at = 0;
  for (const { span, newText } of [...edits].sort((a, b) => a.span.start - b.span.start)) {
    result += text.slice(at, span.start) + newText;
    at = span.end;
  }
  return result + text.slice(at);
}

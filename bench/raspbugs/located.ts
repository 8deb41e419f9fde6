// Whether a repair's suspects name the op that was mutated.
import type { Bug } from './generate.ts';
import { programOfText } from './generate.ts';
import type { Suspect } from '../../src/repair/types.ts';
import type { Span } from '../../src/rasp/diagnostic.ts';
import { nodesBelow } from '../../src/rasp/program.ts';

/** Is the mutated op among the first three suspects? The op is the smallest one around what the mutation wrote. */
export function located(bug: Bug, suspects: readonly Suspect[]): boolean | null {
  const [mutated] = bug.spans;
  if (bug.order !== 1 || !mutated || suspects.length === 0) return null;
  const program = programOfText(bug.path, bug.source, bug.dialect);
  if (!program) return null;
  const place = withoutParentheses(bug.source, mutated);
  const ops = nodesBelow(program.output)
    .map(({ origin }) => origin)
    .filter(({ form, span }) => form !== 'leaf' && span.file === bug.path && contains(span, place))
    .map(({ span }) => span);
  const op = ops.sort((a, b) => a.end - a.start - (b.end - b.start))[0];
  return op !== undefined && suspects.slice(0, 3).some(({ span }) => contains(op, span) && span.start < place.end && place.start < span.end);
}

const contains = (outer: Span, inner: Span): boolean => outer.start <= inner.start && inner.end <= outer.end;

/** `(indices + 1)` was written for the op `indices + 1`. */
function withoutParentheses(text: string, span: Span): Span {
  const inner = text.slice(span.start, span.end);
  if (!inner.startsWith('(') || !inner.endsWith(')')) return span;
  let depth = 0;
  for (let i = 0; i < inner.length - 1; i++) {
    depth += inner[i] === '(' ? 1 : inner[i] === ')' ? -1 : 0;
    if (depth === 0) return span;
  }
  return withoutParentheses(text, { ...span, start: span.start + 1, end: span.end - 1 });
}

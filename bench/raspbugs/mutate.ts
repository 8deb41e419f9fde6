// Mutation operators: the small mistakes that turn a correct program into a buggy one, as text edits.
import { analyse, editSites } from '../../src/rasp/frontend.ts';
import { programOf } from '../../src/rasp/analyse.ts';
import type { SourceFile } from '../../src/rasp/analyse.ts';
import type { Span } from '../../src/rasp/diagnostic.ts';
import type { Dialect } from '../../src/rasp/program.ts';
import { nodesBelow } from '../../src/rasp/program.ts';

export type MutationKind =
  | 'predicate'
  | 'comparison'
  | 'operator'
  | 'integer'
  | 'indices'
  | 'negate-return'
  | 'negate-select-argument'
  | 'negate-aggregate-value'
  | 'negate-result'
  | 'unary'
  | 'not'
  | 'zero-loop';

export interface Mutation {
  readonly kind: MutationKind;
  readonly span: Span;
  readonly newText: string;
}

/** Every single mutation of a correct program's text, in source order. */
export function mutationsOf(source: SourceFile, dialect: Dialect): Mutation[] {
  // A text that several operators make counts as the most particular one's.
  const all = [
    ...negatedReturns(source),
    ...negatedNodes(source, dialect),
    ...shiftedIndices(source),
    ...zeroLoops(source),
    ...fromSites(source, dialect),
  ];
  const known = new Set<string>();
  return all
    .filter(({ span, newText }) => {
      const key = `${span.start}:${span.end}:${newText}`;
      if (known.has(key) || source.text.slice(span.start, span.end) === newText) return false;
      known.add(key);
      return true;
    })
    .sort((a, b) => a.span.start - b.span.start || a.span.end - b.span.end);
}

function fromSites(source: SourceFile, dialect: Dialect): Mutation[] {
  return editSites(source, dialect).flatMap(({ span, kind, alternatives }): Mutation[] => {
    const old = source.text.slice(span.start, span.end);
    switch (kind) {
      case 'predicate':
        // RASP has no TRUE and FALSE: writing them would drop the operands, which is no small mistake.
        return alternatives.filter((newText) => !newText.includes(',')).map((newText) => ({ kind, span, newText }));
      case 'comparison':
      case 'operator':
        return alternatives.map((newText) => ({ kind, span, newText }));
      case 'unary':
        return alternatives.map((newText) => ({ kind: unaryKind(old, newText), span, newText }));
      case 'integer':
        return alternatives
          .filter((newText) => Math.abs(Number(newText) - Number(old)) === 1)
          .map((newText) => ({ kind, span, newText }));
      default:
        return [];
    }
  });
}

/** Is a unary operator put before an expression, and which, or is one that was there dropped or swapped? */
function unaryKind(old: string, newText: string): MutationKind {
  if (/^\(*(?:-|~|not\b)/.test(old)) return 'unary';
  return /^\(*(?:~|not\b)/.test(newText) ? 'not' : 'negate-result';
}

/** The code outside comments and strings, the rest blanked out, offsets kept. */
function codeOf(text: string): string {
  return text.replaceAll(/"""[\s\S]*?"""|"[^"\n]*"|'[^'\n]*'|#.*/g, (found) => ' '.repeat(found.length));
}

const spanAt = (source: SourceFile, start: number, end: number): Span => ({ file: source.path, start, end });

function shiftedIndices(source: SourceFile): Mutation[] {
  return [...codeOf(source.text).matchAll(/(?:\brasp\.)?\bindices\b/g)].flatMap(({ 0: text, index }) =>
    ['+ 1', '- 1'].map((shift): Mutation => ({
      kind: 'indices',
      span: spanAt(source, index, index + text.length),
      newText: `(${text} ${shift})`,
    })),
  );
}

function negatedReturns(source: SourceFile): Mutation[] {
  return [...codeOf(source.text).matchAll(/\breturn +([^;\n]+)/g)].map(({ 0: all, 1: value = '', index }): Mutation => {
    const start = index + all.length - value.length;
    const written = source.text.slice(start, start + value.length).trimEnd();
    return { kind: 'negate-return', span: spanAt(source, start, start + written.length), newText: `-(${written})` };
  });
}

function negatedNodes(source: SourceFile, dialect: Dialect): Mutation[] {
  const program = programOf(analyse(source, { dialect }));
  if (!program) return [];
  const negated = (kind: MutationKind, span: Span | null | undefined): Mutation[] =>
    span?.file === source.path ? [{ kind, span, newText: `-(${source.text.slice(span.start, span.end)})` }] : [];
  return nodesBelow(program.output).flatMap(({ kind, origin }) => {
    const { operands, span } = origin;
    switch (kind) {
      case 'select':
        return [...negated('negate-select-argument', operands[0]), ...negated('negate-select-argument', operands[1])];
      case 'aggregate':
        return [...negated('negate-aggregate-value', operands[1]), ...negated('negate-result', span)];
      case 'width':
        return negated('negate-result', span);
      default:
        return [];
    }
  });
}

function zeroLoops(source: SourceFile): Mutation[] {
  return [...codeOf(source.text).matchAll(/\bfor +[\w, ()]+ +in +([^:{\n]+?) *[:{]/g)].map(({ 0: all, 1: list = '', index }): Mutation => {
    const start = index + all.lastIndexOf(list);
    return { kind: 'zero-loop', span: spanAt(source, start, start + list.length), newText: '[]' };
  });
}

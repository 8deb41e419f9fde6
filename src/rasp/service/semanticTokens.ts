// Semantic tokens: what each name and operator is, for colours that the grammar alone cannot give.
import type { Kind } from './kinds.ts';
import { Kinds } from './kinds.ts';
import type { LanguageFile } from './languageFile.ts';
import type { Occurrence } from './symbols.ts';
import { openers } from '../rasp/tokens.ts';
import type { Token } from '../rasp/tokens.ts';

export const semanticTypes = ['sop', 'selector', 'function', 'parameter', 'variable', 'operator'] as const;
export const semanticModifiers = ['declaration', 'readonly', 'defaultLibrary', 'arithmetic', 'comparison', 'logical'] as const;
export type SemanticType = (typeof semanticTypes)[number];
export type SemanticModifier = (typeof semanticModifiers)[number];

export interface SemanticToken {
  readonly start: number;
  readonly length: number;
  readonly type: SemanticType;
  readonly modifiers: readonly SemanticModifier[];
}

const typeOfKind: Readonly<Record<Kind, SemanticType>> = {
  's-op': 'sop',
  selector: 'selector',
  function: 'function',
  value: 'variable',
  list: 'variable',
  dict: 'variable',
  unknown: 'variable',
};

const operatorKinds: Readonly<Record<string, SemanticModifier>> = {
  '==': 'comparison', '!=': 'comparison', '<=': 'comparison', '>=': 'comparison', '<': 'comparison', '>': 'comparison',
  '+': 'arithmetic', '-': 'arithmetic', '*': 'arithmetic', '/': 'arithmetic', '%': 'arithmetic', '^': 'arithmetic',
  and: 'logical', or: 'logical', not: 'logical',
};

/** In source order, none overlapping another. */
export function semanticTokensOf(file: LanguageFile): SemanticToken[] {
  const kinds = new Kinds(file);
  const names = new Map(file.occurrences.map((occurrence) => [occurrence.span.start, occurrence]));
  return file.tokens.tokens.flatMap((token): SemanticToken[] => {
    const occurrence = names.get(token.start);
    if (occurrence) return [nameToken(occurrence, kinds)];
    const fixed = fixedToken(token);
    return fixed ? [fixed] : [];
  });
}

function nameToken({ span, symbol, role }: Occurrence, kinds: Kinds): SemanticToken {
  const { definitions, origin } = symbol;
  const kind = kinds.ofSymbol(symbol);
  const isParameter = definitions.some(({ form }) => form.kind === 'parameter');
  const modifiers: SemanticModifier[] = [];
  if (role === 'definition') modifiers.push('declaration');
  if (kind === 'value' && definitions.length < 2) modifiers.push('readonly');
  if (origin !== 'file') modifiers.push('defaultLibrary');
  return { start: span.start, length: span.end - span.start, type: isParameter ? 'parameter' : typeOfKind[kind], modifiers };
}

/** Operators, and the functions that are part of the grammar. */
function fixedToken({ kind, text, start }: Token): SemanticToken | null {
  if (kind !== 'symbol' && kind !== 'name') return null;
  const operator = Object.hasOwn(operatorKinds, text) ? operatorKinds[text] : undefined;
  if (operator) return { start, length: text.length, type: 'operator', modifiers: [operator] };
  const name = text.endsWith('(') ? text.slice(0, -1) : text;
  const isFunction = (text !== name && openers.has(name)) || text === 'round' || text === 'indicator';
  return isFunction ? { start, length: name.length, type: 'function', modifiers: ['defaultLibrary'] } : null;
}

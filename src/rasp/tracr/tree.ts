// The Python syntax tree of a Tracr file, with its syntax errors.
import type { SyntaxNode } from '@lezer/common';
import { parser } from '@lezer/python';
import type { Diagnostic, Span } from '../diagnostic.ts';

export type { SyntaxNode };

export interface PythonFile {
  readonly path: string;
  readonly text: string;
  readonly root: SyntaxNode;
  readonly diagnostics: readonly Diagnostic[];
}

const MOST_ERRORS = 20;

/** Parses any text; what is no Python becomes diagnostics. */
export function parsePython(path: string, text: string): PythonFile {
  const root = parser.parse(text).topNode;
  const diagnostics: Diagnostic[] = [];
  root.cursor().iterate((node) => {
    if (!node.type.isError || diagnostics.length >= MOST_ERRORS) return;
    const found = text.slice(node.from, node.to).trim();
    const end = Math.min(text.length, Math.max(node.to, node.from + 1));
    const span: Span = { file: path, start: Math.min(node.from, end), end };
    const last = diagnostics.at(-1);
    // One mistake often leaves several error nodes behind: one a line is enough.
    if (last && !text.slice(last.span.end, node.from).includes('\n')) return;
    const message = found === '' ? `Something is missing here: ${expected(text, node.from)}.` : `Python does not expect “${shorten(found)}” here.`;
    diagnostics.push({ code: 'syntax', severity: 'error', message, span });
  });
  return { path, text, root, diagnostics };
}

function expected(text: string, at: number): string {
  const line = text.slice(text.lastIndexOf('\n', at - 1) + 1, at);
  const open = [...line].filter((c) => '([{'.includes(c)).length - [...line].filter((c) => ')]}'.includes(c)).length;
  if (open > 0) return 'a bracket is not closed';
  return /^\s*(def|for|if|else|elif|while)\b/.test(line) && !line.trimEnd().endsWith(':') ? 'a colon' : 'an expression or a statement';
}

const shorten = (text: string): string => (text.length > 30 ? `${text.slice(0, 29)}…` : text).replaceAll('\n', ' ');

export function childrenOf(node: SyntaxNode): SyntaxNode[] {
  const children: SyntaxNode[] = [];
  for (let child = node.firstChild; child; child = child.nextSibling) if (child.name !== 'Comment') children.push(child);
  return children;
}

/** Splits children at commas that belong to this node. */
export function commaSeparated(children: readonly SyntaxNode[]): SyntaxNode[][] {
  const groups: SyntaxNode[][] = [[]];
  for (const child of children) {
    if (child.name === ',') groups.push([]);
    else groups.at(-1)?.push(child);
  }
  return groups.filter((group) => group.length > 0);
}

const isComparison = (node: SyntaxNode | undefined): boolean => node?.name === 'CompareOp';

/** `a < b < c` is read as `(a < b) < c`, with this left side before its last operator. */
export const isComparisonChain = (left: SyntaxNode, operator: SyntaxNode): boolean =>
  isComparison(operator) && left.name === 'BinaryExpression' && isComparison(childrenOf(left)[1]);

/** What the last operator of a comparison compares with its right side. */
export const chainEnd = (left: SyntaxNode, operator: SyntaxNode): SyntaxNode =>
  isComparisonChain(left, operator) ? (childrenOf(left).at(-1) ?? left) : left;

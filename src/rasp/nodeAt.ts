// The s-op or selector that a place in a program's text is about.
import type { Analysis } from './analyse.ts';
import type { Span } from './diagnostic.ts';
import type { Node } from './program.ts';
import { inputsOf, nodesBelow } from './program.ts';

export interface NodeAt {
  readonly node: Node;
  readonly name: string;
}

/** The innermost op whose text, or whose name, is at the offset, else what its line defines; undefined where that is nothing. */
export function nodeAt(analysis: Analysis, offset: number): NodeAt | undefined {
  const { source } = analysis;
  let best: { span: Span; node: Node } | undefined;
  for (const [span, node] of placesOf(analysis)) {
    if (span.file !== source.path || offset < span.start || offset > span.end) continue;
    // Among equals the latest: of a function's calls the last one.
    if (best === undefined || lengthOf(span) <= lengthOf(best.span)) best = { span, node };
  }
  const word = wordAt(source.text, offset);
  const named = word === undefined ? undefined : analysis.definitions.findLast(({ name }) => name === word);
  if (named !== undefined && (word?.length ?? 0) < (best === undefined ? Infinity : lengthOf(best.span))) return { node: named.node, name: named.name };
  if (best === undefined) return onLine(analysis, offset);
  const { node, span } = best;
  const definition = analysis.definitions.findLast((one) => one.node === node);
  return { node, name: definition?.name ?? node.name ?? shortened(source.text.slice(span.start, span.end)) };
}

/** What the line of the offset defines: the cursor may stand behind the statement. */
function onLine({ source: { text }, definitions }: Analysis, offset: number): NodeAt | undefined {
  const start = text.lastIndexOf('\n', offset - 1) + 1;
  const found = definitions.findLast(({ nameSpan }) => nameSpan.start >= start && nameSpan.end <= offset && !text.slice(start, offset).includes('\n'));
  return found && { node: found.node, name: found.name };
}

const lengthOf = ({ start, end }: Span): number => end - start;

function* placesOf({ definitions }: Analysis): Generator<readonly [Span, Node]> {
  const seen = new Set<Node>();
  for (const { node: root } of definitions) {
    for (const node of nodesBelow(root)) {
      if (seen.has(node)) continue;
      seen.add(node);
      yield [node.origin.span, node];
      for (const [i, input] of inputsOf(node).entries()) {
        const span = node.origin.operands[i];
        if (span) yield [span, input];
      }
    }
  }
  for (const { nameSpan, node } of definitions) yield [nameSpan, node];
}

function wordAt(text: string, offset: number): string | undefined {
  const before = /\w*$/u.exec(text.slice(0, offset))?.[0] ?? '';
  const after = /^\w*/u.exec(text.slice(offset))?.[0] ?? '';
  const word = before + after;
  return word === '' ? undefined : word;
}

const shortened = (text: string): string => {
  const line = text.replace(/\s+/gu, ' ');
  return line.length > 40 ? `${line.slice(0, 39)}…` : line;
};

// A RASP program as both syntaxes mean it: a directed acyclic graph of s-ops and selectors with their source spans.
import type { Span } from './diagnostic.ts';

/** One element of a sequence. `null` is Tracr's None. Python's int and float share `number`; see Sequence.type. */
export type Value = number | string | boolean | null;

/** An elementwise function of one or more values; Python semantics. Throws ScalarError where Python would raise. */
export interface ScalarFunction {
  /** Readable form in terms of x, y, z: `x + 1`, `x if y else z`. */
  readonly label: string;
  readonly arity: number;
  apply(args: readonly Value[]): Value;
  /** The element type of the result where the values alone cannot tell (1/1 is a float in Python). */
  resultType?(args: readonly ElementType[]): ElementType | undefined;
}

export type Comparison = '==' | '!=' | '<' | '<=' | '>' | '>=' | 'true' | 'false';

/** Decides whether the query at a position selects the key at another: S[q][k] = apply(K[k], Q[q]). */
export interface Predicate {
  /** The comparison if it is one of the eight, else `lambda`. */
  readonly comparison: Comparison | 'lambda';
  readonly label: string;
  apply(key: Value, query: Value): boolean;
}

/**
 * Where a node was written.
 * `operands` are the spans of the node's inputs in the node's own input order (map: its args; select: keys, queries;
 * aggregate: selector, value; width: selector; and/or: left, right; not: operand), null where an operand has no text of
 * its own inside `span`. `symbol` is the text that says what the node does: an infix or prefix operator token, the
 * predicate argument (`==`, `rasp.Comparison.EQ`, a lambda), the function argument of Map or SequenceMap.
 */
export interface Origin {
  readonly span: Span;
  readonly operands: readonly (Span | null)[];
  readonly symbol: Span | null;
  /** How the text is built, so that a changed op can be written back. */
  readonly form: OriginForm;
  /** The parameter names of a lambda in `symbol`, in order. */
  readonly parameters?: readonly string[];
  /** Spans of LinearSequenceMap's two coefficients. */
  readonly coefficients?: readonly [Span | null, Span | null];
  /** Calls that led here, outermost first. */
  readonly calls: readonly Span[];
}
/**
 * infix `a OP b` (one side may be a literal and then is no operand), prefix `OP a`, lambda: `symbol` is a function
 * argument that a `lambda PARAMETERS: BODY` may replace; linear: LinearSequenceMap; call: any other call;
 * leaf: names and literals.
 */
export type OriginForm = 'infix' | 'prefix' | 'lambda' | 'linear' | 'call' | 'leaf';

/** Where the file at a path says it: the op itself, else the innermost call that led to it; undefined if neither is there. */
export const spanIn = ({ span, calls }: Origin, path: string): Span | undefined => [span, ...calls.toReversed()].find(({ file }) => file === path);

interface NodeBase {
  /** Unique in its program, in creation order: an input's id is below its user's. */
  readonly id: number;
  readonly origin: Origin;
  /** The name the source gives it, if any. */
  readonly name?: string;
}

export interface TokensOp extends NodeBase {
  readonly kind: 'tokens';
  /** How the input is read: `str` turns each token into a string, `asis` leaves it. */
  readonly cast: 'str' | 'int' | 'float' | 'bool' | 'asis';
}
export interface IndicesOp extends NodeBase {
  readonly kind: 'indices';
}
export interface LengthOp extends NodeBase {
  readonly kind: 'length';
}
export interface ConstantOp extends NodeBase {
  readonly kind: 'constant';
  readonly value: Value;
  readonly type: ElementType;
}
export interface MapOp extends NodeBase {
  readonly kind: 'map';
  readonly fn: ScalarFunction;
  readonly args: readonly SOp[];
}
export interface AggregateOp extends NodeBase {
  readonly kind: 'aggregate';
  readonly selector: Selector;
  readonly value: SOp;
  readonly default: Value;
}
export interface WidthOp extends NodeBase {
  readonly kind: 'width';
  readonly selector: Selector;
}

/** Tracr's annotation of an s-op; absent in RASP files. */
export type Encoding = 'categorical' | 'numerical';

export type SOp = (TokensOp | IndicesOp | LengthOp | ConstantOp | MapOp | AggregateOp | WidthOp) & {
  readonly encoding?: Encoding;
};

export interface SelectOp extends NodeBase {
  readonly kind: 'select';
  readonly keys: SOp;
  readonly queries: SOp;
  readonly predicate: Predicate;
}
export interface SelectorAndOp extends NodeBase {
  readonly kind: 'and' | 'or';
  readonly left: Selector;
  readonly right: Selector;
}
export interface SelectorNotOp extends NodeBase {
  readonly kind: 'not';
  readonly operand: Selector;
}
export type Selector = SelectOp | SelectorAndOp | SelectorNotOp;

export type Node = SOp | Selector;

export type Dialect = 'rasp' | 'tracr';

/** A program: one s-op to compute, everything it needs hangs below it. */
export interface Program {
  readonly dialect: Dialect;
  /** The entry's name. */
  readonly name: string;
  readonly output: SOp;
}

export type ElementType = 'int' | 'float' | 'bool' | 'string' | 'none';

export function isSelector(node: Node): node is Selector {
  return node.kind === 'select' || node.kind === 'and' || node.kind === 'or' || node.kind === 'not';
}

/** The nodes that a node reads, in the order of `origin.operands`. */
export function inputsOf(node: Node): readonly Node[] {
  switch (node.kind) {
    case 'map':
      return node.args;
    case 'aggregate':
      return [node.selector, node.value];
    case 'width':
      return [node.selector];
    case 'select':
      return [node.keys, node.queries];
    case 'and':
    case 'or':
      return [node.left, node.right];
    case 'not':
      return [node.operand];
    default:
      return [];
  }
}

/** Every node that the root needs, inputs before users, the root last. */
export function nodesBelow(root: Node): Node[] {
  const seen = new Set<Node>();
  const order: Node[] = [];
  const stack: { node: Node; expanded: boolean }[] = [{ node: root, expanded: false }];
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const { node, expanded } = top;
    if (expanded) {
      order.push(node);
      continue;
    }
    if (seen.has(node)) continue;
    seen.add(node);
    stack.push({ node, expanded: true });
    for (const input of [...inputsOf(node)].reverse()) stack.push({ node: input, expanded: false });
  }
  return order;
}

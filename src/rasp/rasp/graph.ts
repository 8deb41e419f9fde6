// Makes the nodes of a program's graph while a RASP file is traced.
import type { Span } from '../diagnostic.ts';
import type { ConstantOp, Node, Origin, OriginForm, Selector, SOp, TokensOp } from '../program.ts';
import { comparisonPredicate } from '../scalar.ts';
import type { Elementwise, Operand } from './elementwise.ts';
import { foldAtoms } from './elementwise.ts';
import type { SelectOperator } from './syntax.ts';
import type { Atom } from './values.ts';

/** More nodes than any program that a person writes; a loop that runs away stops here. */
export const maxNodes = 20_000;

export class TooManyNodes extends Error {}

/** Where a node is written; see Origin. */
export interface Place {
  readonly span: Span;
  readonly calls: readonly Span[];
  readonly form: OriginForm;
  readonly symbol?: Span;
}

const longestName = 30;

export class Graph {
  private nextId = 0;
  private firstId = 0;
  private readonly bases = new Set<Node>();

  /** @param onCreate sees every node once its inputs exist */
  constructor(
    private readonly baseSpan: Span,
    private readonly onCreate: (node: Node) => void,
  ) {}

  /** The nodes that there are no longer count against the limit. */
  startAfresh(): void {
    this.firstId = this.nextId;
  }

  private add<T extends Node>(node: T): T {
    if (this.nextId - this.firstId > maxNodes) throw new TooManyNodes();
    this.onCreate(node);
    return node;
  }

  private base(name: string): { id: number; origin: Origin; name: string } {
    const origin: Origin = { span: this.baseSpan, operands: [], symbol: null, form: 'leaf', calls: [] };
    return { id: this.nextId++, origin, name };
  }

  private register<T extends Node>(node: T): T {
    this.bases.add(node);
    return node;
  }

  tokens(cast: TokensOp['cast']): SOp {
    return this.register({ kind: 'tokens', cast, ...this.base(`tokens_${cast}`) });
  }

  indices(): SOp {
    return this.register({ kind: 'indices', ...this.base('indices') });
  }

  length(): SOp {
    return this.register({ kind: 'length', ...this.base('length') });
  }

  constant({ value, type }: Atom, place: Place): ConstantOp {
    return this.add({ kind: 'constant', value, type, ...this.written(place, []) });
  }

  /** An elementwise op; at least one operand is an s-op. `spans` are those of the operands, atoms' included. */
  map(op: Elementwise, operands: readonly Operand[], spans: readonly (Span | null)[], place: Place): SOp {
    const { fn, args } = foldAtoms(op, operands);
    const argSpans = spans.filter((_, i) => operands[i]?.kind === 's-op');
    return this.add({ kind: 'map', fn, args, ...this.written(place, argSpans) });
  }

  select(keys: SOp, queries: SOp, operator: SelectOperator, spans: readonly (Span | null)[], place: Place): Selector {
    const predicate = comparisonPredicate(operator);
    return this.add({ kind: 'select', keys, queries, predicate, ...this.written(place, spans) });
  }

  combine(kind: 'and' | 'or', left: Selector, right: Selector, spans: readonly Span[], place: Place): Selector {
    return this.add({ kind, left, right, ...this.written(place, spans) });
  }

  invert(operand: Selector, span: Span, place: Place): Selector {
    return this.add({ kind: 'not', operand, ...this.written(place, [span]) });
  }

  aggregate(selector: Selector, value: SOp, fallback: Atom, spans: readonly (Span | null)[], place: Place): SOp {
    return this.add({ kind: 'aggregate', selector, value, default: fallback.value, ...this.written(place, spans) });
  }

  width(selector: Selector, span: Span | null, place: Place): SOp {
    return this.add({ kind: 'width', selector, ...this.written(place, [span]) });
  }

  /** Gives a node the name that the source gave it last; the base s-ops keep theirs. */
  name(node: Node, name: string): void {
    if (this.bases.has(node)) return;
    const named: { name?: string } = node;
    if (name.length > longestName) delete named.name;
    else named.name = name;
  }

  private written({ span, calls, form, symbol }: Place, operands: readonly (Span | null)[]): { id: number; origin: Origin } {
    return { id: this.nextId++, origin: { span, operands, symbol: symbol ?? null, form, calls } };
  }
}

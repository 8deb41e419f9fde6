// Forms from the text: an op's own expression with one literal or operator changed, as a change of its table.
import type { Override } from './batch.ts';
import type { DomainOf, Form, OpGroup } from './forms.ts';
import { combinations } from './forms/distinct.ts';
import { applyEdits } from './rewrite.ts';
import type { SourceFile } from '../rasp/analyse.ts';
import type { Span } from '../rasp/diagnostic.ts';
import { editSites } from '../rasp/frontend.ts';
import type { Node, Program, Value } from '../rasp/program.ts';
import { inputsOf, nodesBelow } from '../rasp/program.ts';
import { equals, ScalarError } from '../rasp/scalar.ts';

type Fn = Form['fn'];

interface NodeChange {
  readonly override: Override;
  readonly fn: Fn | null;
}

/** Combinations of arguments on which two functions are compared. */
const COMPARED = 400;
const COST = 1.1;

/**
 * One group per place of the text whose small changes leave the program's shape alone but change what some of its ops
 * do. Changes of the shape are left to the search over text edits.
 */
export function siteGroups(
  program: Program,
  source: SourceFile,
  programOfText: (text: string) => Program | undefined,
  domainOf: DomainOf,
): OpGroup[] {
  const order = nodesBelow(program.output);
  return editSites(source, program.dialect).flatMap(({ span, kind, alternatives }): OpGroup[] => {
    if (kind === 'predicate' || kind === 'iterable') return [];
    const forms: Form[] = [];
    const nodes = new Set<Node>();
    for (const newText of alternatives) {
      const changed = programOfText(applyEdits(source.text, [{ span, newText }]));
      const changes = changed && differences(order, nodesBelow(changed.output), domainOf);
      if (!changes || changes.size === 0) continue;
      for (const node of changes.keys()) nodes.add(node);
      forms.push(siteForm(span, newText, changes));
    }
    return forms.length === 0 ? [] : [{ origin: siteOrigin(span), nodes: [...nodes], forms: [asWritten, ...forms] }];
  });
}

const asWritten: Form = { label: 'as written', cost: 0, override: null, changes: [], fn: () => null };

const siteOrigin = (span: Span): OpGroup['origin'] => ({ span, operands: [], symbol: span, form: 'leaf', calls: [] });

function siteForm(span: Span, newText: string, changes: ReadonlyMap<Node, NodeChange>): Form {
  return {
    label: newText,
    cost: COST,
    override: null,
    overrides: new Map([...changes].map(([node, { override }]) => [node, override])),
    fns: new Map([...changes].flatMap(([node, { fn }]) => (fn ? [[node, fn] as const] : []))),
    changes: [{ kind: 'replace', from: span.start, to: span.end, newText }],
    fn: () => null,
  };
}

/** What each node of one program does otherwise in another of the same shape; null if the shapes differ. */
function differences(
  before: readonly Node[],
  after: readonly Node[],
  domainOf: DomainOf,
): Map<Node, NodeChange> | null {
  if (before.length !== after.length) return null;
  const place = new Map(after.map((node, i) => [node, i]));
  const places = new Map(before.map((node, i) => [node, i]));
  const changes = new Map<Node, NodeChange>();
  for (let i = 0; i < before.length; i++) {
    const [a, b] = [before[i], after[i]];
    if (!a || !b || a.kind !== b.kind) return null;
    const inputs = inputsOf(b);
    if (!inputsOf(a).every((input, k) => places.get(input) === place.get(inputs[k] as Node))) return null;
    const change = nodeChange(a, b, domainOf);
    if (change) changes.set(a, change);
  }
  return changes;
}

function nodeChange(a: Node, b: Node, domainOf: DomainOf): NodeChange | null {
  switch (a.kind) {
    case 'map': {
      if (b.kind !== 'map') return null;
      const fn: Fn = (args) => b.fn.apply(args);
      return sameFunction((args) => a.fn.apply(args), fn, a.args.map(domainOf)) ? null : { override: { fn }, fn };
    }
    case 'select': {
      if (b.kind !== 'select') return null;
      const selects = (key: Value, query: Value): boolean => b.predicate.apply(key, query);
      const fn: Fn = ([key = null, query = null]) => selects(key, query);
      const own: Fn = ([key = null, query = null]) => a.predicate.apply(key, query);
      return sameFunction(own, fn, [domainOf(a.keys), domainOf(a.queries)]) ? null : { override: { selects }, fn };
    }
    case 'constant':
      if (b.kind !== 'constant' || equals(a.value, b.value)) return null;
      return { override: { constant: b.value }, fn: null };
    case 'aggregate':
      if (b.kind !== 'aggregate' || equals(a.default, b.default)) return null;
      return { override: { default: b.default }, fn: null };
    default:
      return null;
  }
}

function sameFunction(a: Fn, b: Fn, domains: readonly (readonly Value[])[]): boolean {
  return combinations(domains, COMPARED).every((args) => {
    const [x, y] = [outcome(a, args), outcome(b, args)];
    return x === undefined || y === undefined ? x === y : equals(x, y);
  });
}

function outcome(fn: Fn, args: readonly Value[]): Value | undefined {
  try {
    return fn(args);
  } catch (error) {
    if (error instanceof ScalarError) return undefined;
    throw error;
  }
}


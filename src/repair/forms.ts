// The library of symbolic forms: for each op of the source, what it might have been meant to do.
import type { Override } from './batch.ts';
import { connectiveForms, dropNot } from './forms/connectiveForms.ts';
import { mapForms } from './forms/mapForms.ts';
import { aggregateForms, widthForms } from './forms/resultForms.ts';
import { selectForms } from './forms/selectForms.ts';
import type { Change } from './rewrite.ts';
import type { Dialect, Node, Origin, SOp, Value } from '../rasp/program.ts';
import { nodesBelow } from '../rasp/program.ts';

/** One behaviour of an op, with the changes of its text that bring it about. */
export interface Form {
  readonly label: string;
  /** How far from what was written; the original costs 0. */
  readonly cost: number;
  readonly override: Override | null;
  /** Where the nodes of the group do not all do the same: what each does. Replaces `override`. */
  readonly overrides?: ReadonlyMap<Node, Override>;
  readonly changes: readonly Change[];
  /** The op's function of its inputs (keys and queries for a select), for its table. */
  readonly fn: (args: readonly Value[]) => Value;
  /** The function of one node of the group, where they differ. */
  readonly fns?: ReadonlyMap<Node, (args: readonly Value[]) => Value>;
}

export const overrideOf = (form: Form, node: Node): Override | null =>
  form.overrides ? (form.overrides.get(node) ?? null) : form.override;

export const functionOf = (form: Form, node: Node): Form['fn'] | undefined => (form.fns ? form.fns.get(node) : form.fn);

/** The nodes that one expression of the source made: they change together. */
export interface OpGroup {
  readonly origin: Origin;
  readonly nodes: readonly Node[];
  /** forms[0] is the original. */
  readonly forms: readonly Form[];
}

export type DomainOf = (node: SOp) => readonly Value[];

/** The values of s-ops, for two purposes. */
export interface Domains {
  /** What the s-op holds in the program as written: literals worth writing. */
  readonly observed: DomainOf;
  /** What it may hold once other ops are changed: forms that differ there are different forms. */
  readonly possible: DomainOf;
  /** Forms of a higher cost are left out. */
  readonly maxCost?: number;
}

/** The ops of a program that stand in the given file, each with its library. */
export function opGroups(root: SOp, dialect: Dialect, file: string, text: string, domains: Domains): OpGroup[] {
  const groups = new Map<string, Node[]>();
  for (const node of nodesBelow(root)) {
    const { span, form } = node.origin;
    if (span.file !== file || form === 'leaf') continue;
    const key = `${span.start}:${span.end}:${node.kind}`;
    const group = groups.get(key);
    if (group) group.push(node);
    else groups.set(key, [node]);
  }
  return [...groups.values()].flatMap((nodes) => {
    const [first] = nodes;
    if (!first) return [];
    const forms = formsOf(first, nodes, dialect, text, domains);
    return forms.length > 1 ? [{ origin: first.origin, nodes, forms }] : [];
  });
}

function formsOf(node: Node, nodes: readonly Node[], dialect: Dialect, text: string, { observed, possible, maxCost = Number.POSITIVE_INFINITY }: Domains): Form[] {
  const union = (pick: (n: Node) => SOp | undefined, domainOf: DomainOf): Value[] => {
    const picked = nodes.flatMap((n) => pick(n) ?? []);
    return [...new Set(picked.flatMap((n) => [...domainOf(n)]))];
  };
  switch (node.kind) {
    case 'select': {
      const keys = (n: Node): SOp | undefined => (n.kind === 'select' ? n.keys : undefined);
      const queries = (n: Node): SOp | undefined => (n.kind === 'select' ? n.queries : undefined);
      return selectForms(node, dialect, text, union(keys, possible), union(queries, possible), Math.min(maxCost, 3.7));
    }
    case 'map': {
      const domains = (domainOf: DomainOf): Value[][] => node.args.map((_, i) => union((n) => (n.kind === 'map' ? n.args[i] : undefined), domainOf));
      return mapForms(node, dialect, domains(observed), domains(possible), Math.min(maxCost, 3.2));
    }
    case 'aggregate':
      return aggregateForms(node, union((n) => (n.kind === 'aggregate' ? n.value : undefined), possible));
    case 'width':
      return widthForms();
    case 'and':
    case 'or':
      return connectiveForms(node, dialect);
    case 'not':
      return dropNot(node);
    default:
      return [];
  }
}

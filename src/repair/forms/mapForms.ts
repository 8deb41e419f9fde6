// What an elementwise op might have been meant to do: another function of its arguments, wrapped arguments, a wrapped result.
import { coresOf } from './cores.ts';
import type { Core } from './cores.ts';
import { distinct } from './distinct.ts';
import { original } from './original.ts';
import type { Side } from './sides.ts';
import { sides } from './sides.ts';
import type { Form } from '../forms.ts';
import type { Transform } from '../transform.ts';
import { allTransforms, complement, negation } from '../transform.ts';
import type { Dialect, MapOp, Value } from '../../rasp/program.ts';

export function mapForms(node: MapOp, dialect: Dialect, observed: readonly (readonly Value[])[], possible: readonly (readonly Value[])[], maxCost: number): Form[] {
  const own = (args: readonly Value[]): Value => node.fn.apply(args);
  const cores: Core[] = [{ label: node.fn.label, cost: 0, apply: own, changes: [] }, ...coresOf(node, dialect, observed)];
  const argumentSides = possible.map((domain, i) => sides(node.origin, i, domain, allTransforms));
  const results: readonly (Transform | null)[] = [null, ...allTransforms];
  const forms: Form[] = [];
  const add = (core: Core, args: readonly Side[], result: Transform | null): void => {
    const cost = core.cost + args.reduce((sum, side) => sum + side.cost, 0) + (result?.cost ?? 0);
    if (cost > maxCost) return;
    const inner = (at: readonly Value[]): Value => core.apply(at.map((value, i) => args[i]?.apply(value) ?? value));
    const fn = result ? (at: readonly Value[]): Value => result.apply(inner(at)) : inner;
    forms.push({
      label: [core.label, ...args.filter((side) => side.cost > 0).map((side) => `with ${side.label}`), ...(result ? [`then ${result.label}`] : [])].join(' '),
      cost,
      override: cost === 0 ? null : { fn },
      changes: [...core.changes, ...args.flatMap((side) => side.changes), ...(result ? [{ kind: 'result', transform: result } as const] : [])],
      fn,
    });
  };
  const plain = argumentSides.map((list) => list[0]).filter((side) => side !== undefined);
  for (const core of cores) {
    for (const result of results) add(core, plain, result);
    argumentSides.forEach((list, i) => {
      for (const side of list.slice(1)) {
        const args = plain.map((p, j) => (j === i ? side : p));
        for (const result of [null, complement, negation]) add(core, args, result);
      }
    });
  }
  return distinct([original(own), ...forms], possible, possible.length === 1 ? 400 : 800);
}

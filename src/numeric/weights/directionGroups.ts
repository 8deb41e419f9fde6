// Which directions of the residual stream belong together: the indicators of one result, or one number.
import type { Direction, Stage } from './residual.ts';
import { exactKey } from '../../rasp/valueSets.ts';

export interface DirectionGroup {
  /** As in its directions. */
  readonly label: string;
  readonly stage: Stage;
  readonly kind: 'values' | 'number';
  /** Indices of its directions: from first to first + count − 1. */
  readonly first: number;
  readonly count: number;
}

/** In the order of the directions. Indicators of one result stand side by side, and no value has two of them. */
export function directionGroups(directions: readonly Direction[]): readonly DirectionGroup[] {
  const groups: DirectionGroup[] = [];
  let known = new Set<string>();
  directions.forEach(({ label, values, stage }, d) => {
    const last = groups.at(-1);
    const keys = (values ?? []).map(exactKey);
    if (values && last?.kind === 'values' && last.label === label && last.stage === stage && !keys.some((key) => known.has(key))) {
      groups[groups.length - 1] = { ...last, count: last.count + 1 };
    } else {
      groups.push({ label, stage, kind: values ? 'values' : 'number', first: d, count: 1 });
      known = new Set();
    }
    for (const key of keys) known.add(key);
  });
  return groups;
}

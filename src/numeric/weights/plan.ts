// What is to be computed at which stage: attention heads and MLP units, sparse, before they become matrices.
import type { Direction, Form, Stage } from './residual.ts';
import { Residual } from './residual.ts';
import type { RealBase } from './terms.ts';
import type { Node } from '../../rasp/program.ts';

/** One attention head. Column j of a matrix is the form that computes component j. */
export interface PlannedHead {
  readonly stage: Stage;
  readonly label: string;
  readonly node: Node;
  readonly query: readonly Form[];
  readonly key: readonly Form[];
  readonly value: readonly Form[];
  /** The direction that component j of the mixed values is written to. */
  readonly writes: readonly number[];
}

/** One hidden unit of an MLP: ReLU(reads), added to each direction of `writes` with its coefficient. */
export interface PlannedUnit {
  readonly stage: Stage;
  readonly reads: Form;
  readonly writes: Form;
}

/** One indicator for each group of a result's values. */
export interface Indicators {
  readonly forms: readonly Form[];
  readonly noise: number;
}

/** The growing transformer. */
export class Plan {
  readonly residual = new Residual();
  readonly heads: PlannedHead[] = [];
  readonly units: PlannedUnit[] = [];

  /** @param gradual steps rise all the way from one value to the next, so that numbers in between have a gradient */
  constructor(readonly gradual = false) {}

  /** The indicators that exist of a number, by how they group its values. */
  readonly discretised = new Map<RealBase, Map<string, Indicators>>();

  get directions(): readonly Direction[] {
    return this.residual.directions;
  }

  /** Hidden units are switched off at BOS, where nothing else may be relied on but that forms are 0 up to rounding. */
  unit(stage: Stage, reads: Form, writes: Form): void {
    const off = new Map(reads);
    off.set(this.residual.bos, (off.get(this.residual.bos) ?? 0) - BOS_OFF);
    this.units.push({ stage, reads: off, writes });
  }
}

const BOS_OFF = 16;

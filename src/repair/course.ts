// The course of a repair as a viewer sees it: what all lanes say, in one line of points.
import type { TaskEvent } from './task.ts';
import type { RepairOptions, RepairProgress, RepairStage, TrajectoryPoint } from './types.ts';

const stageMessages: Record<RepairStage, string> = {
  check: 'Running the examples.',
  localise: 'Localising the bug.',
  search: 'Searching along the gradient.',
  edits: 'Searching over text edits.',
  train: 'Training the op tables.',
  weights: 'Training all weights.',
  verify: 'Verifying the patch.',
};

export class Course {
  readonly trajectory: TrajectoryPoint[] = [];
  /** Best share of examples exactly right so far. */
  bestAccuracy = 0;
  private lastLoss = Number.NaN;

  constructor(
    /** `performance.now()` at the start. */
    private readonly started: number,
    private readonly onProgress: RepairOptions['onProgress'],
  ) {}

  say(stage: RepairStage, message: string = stageMessages[stage]): void {
    this.onProgress?.({ stage, message });
  }

  /** A loss of NaN: as before. */
  point(stage: RepairStage, accuracy: number, loss = Number.NaN): TrajectoryPoint {
    if (Number.isFinite(loss)) this.lastLoss = loss;
    this.bestAccuracy = Math.max(this.bestAccuracy, accuracy);
    const point = { step: this.trajectory.length, stage, loss: this.lastLoss, accuracy, millis: Math.round(performance.now() - this.started) };
    this.trajectory.push(point);
    return point;
  }

  follow(event: TaskEvent): void {
    switch (event.type) {
      case 'said':
        return this.say(event.stage, event.message);
      case 'localised':
        this.onProgress?.({ stage: 'localise', message: 'The gradient has ranked the ops.', suspects: event.suspects });
        this.point('localise', this.bestAccuracy, event.loss);
        return;
      case 'moved': {
        // The course is kept whether anyone listens or not.
        const progress = this.progressOf(event);
        return this.onProgress?.(progress);
      }
    }
  }

  private progressOf({ stage, accuracy, loss, moving, sample }: Extract<TaskEvent, { type: 'moved' }>): RepairProgress {
    const point = this.point(stage, accuracy, loss);
    return { stage, message: stageMessages[stage], moving, point, ...(sample ? { sample } : {}) };
  }
}

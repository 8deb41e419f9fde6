// The lanes of a repair: one in this process, others in worker processes of their own, each with its own model host.
import { availableParallelism } from 'node:os';
import type { Ranking } from './gradient.ts';
import { RemoteWorker } from './remote.ts';
import type { Lane } from './schedule.ts';
import type { RepairContext, RepairTask, TaskEvent, TaskResult } from './task.ts';
import { TaskRunner } from './taskRunner.ts';
import type { ModelHost } from '../runtime/client.ts';
import type { CancellationToken } from '../shared/cancellation.ts';

const MOST_BY_DEFAULT = 2;

export const defaultProcesses = (): number => Math.min(MOST_BY_DEFAULT, availableParallelism());

/** A task and until when, in `performance.now()` of this process, it may run. */
export interface TimedTask {
  readonly task: RepairTask;
  readonly until: number;
}

export type RepairLane = Lane<TimedTask, TaskResult>;

type OnEvent = (event: TaskEvent) => void;

const millisUntil = (until: number): number => Math.max(0, until - performance.now());

export class LocalLane implements RepairLane {
  private readonly runner: TaskRunner;

  constructor(
    context: RepairContext,
    host: ModelHost,
    private readonly onEvent: OnEvent,
    reorder?: (ranking: Ranking) => Ranking,
  ) {
    this.runner = new TaskRunner(context, host, reorder);
  }

  run({ task, until }: TimedTask, token: CancellationToken): Promise<TaskResult> {
    return this.runner.run(task, { millis: millisUntil(until), token, onEvent: this.onEvent });
  }

  dispose(): void {
    // Cancelling is enough: what runs here honours it within milliseconds.
  }

  /** Gives back what the lane keeps on the model host. */
  close(): Promise<void> {
    return this.runner.dispose();
  }
}

export class RemoteLane implements RepairLane {
  private readonly worker: RemoteWorker;
  /** Sent with the first task. */
  private context: RepairContext | null;

  constructor(
    workerPath: string,
    context: RepairContext,
    private readonly host: Pick<ModelHost, 'hostPath' | 'provider'>,
    private readonly onEvent: OnEvent,
    log: (line: string) => void,
  ) {
    this.context = context;
    this.worker = new RemoteWorker(workerPath, log);
  }

  async run({ task, until }: TimedTask, token: CancellationToken): Promise<TaskResult> {
    const { context } = this;
    this.context = null;
    const { hostPath, provider } = this.host;
    const reply = await this.worker.call(
      { type: 'task', context, task, millis: millisUntil(until), hostPath, provider },
      { token, whenCancelled: 'ask', onTaskEvent: this.onEvent },
    );
    if (reply.type !== 'task') throw new RangeError(`unexpected reply ${reply.type}`);
    return reply.result;
  }

  /** Ends the process, whatever it does; its model host follows it. */
  dispose(): void {
    this.worker.dispose();
  }
}

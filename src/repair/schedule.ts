// Runs tasks on lanes so that what comes out does not depend on their number: a task sees only the results it comes
// after, and results count in the order of the tasks, up to the first that solves the problem.
import type { CancellationToken } from '../shared/cancellation.ts';
import { CancellationSource, CancelledError, throwIfCancelled } from '../shared/cancellation.ts';

/** More lanes may open when the first task has taken that long, or has not solved the problem; asked again as often. */
const HEAD_START_MS = 1000;

export interface Task<I, R> {
  /** Places of the tasks whose results it may use; all before its own. */
  readonly after: readonly number[];
  /** Gives its lane to an earlier task that becomes ready, and is begun again later. */
  readonly yields: boolean;
  /** Called when the tasks before it have ended and a lane is free. Null: there is nothing to do. */
  input(resultAt: (place: number) => R | null): I | null;
}

/** Where tasks run, one at a time. */
export interface Lane<I, R> {
  /** @throws CancelledError soon after the token says so */
  run(input: I, token: CancellationToken): Promise<R>;
  /** Ends it at once; what runs there rejects. */
  dispose(): void;
}

export interface Lanes<I, R> {
  /** The lane that is always there. An error in it is an error of the task. */
  readonly first: Lane<I, R>;
  /** How many more may be open at once. */
  readonly more: number;
  /** Is another worth opening now? What comes out does not depend on the answer. */
  isWorthOpening(): boolean;
  /** Opens another. An error in it costs the lane: its task is run again in the first. */
  open(): Lane<I, R>;
}

type State<R> =
  | { readonly kind: 'waiting' }
  | { readonly kind: 'running'; readonly lane: unknown; readonly source: CancellationSource; readonly done: Promise<void> }
  | { readonly kind: 'ended'; readonly result: R | null }
  | { readonly kind: 'failed'; readonly error: unknown };

/**
 * @returns the results of the tasks in order, up to the first that solves the problem; null where there was nothing to do.
 * No lane but the first is open any more, and nothing runs in that one.
 * @throws CancelledError, or the error of the first task that failed before any solved the problem
 */
export function schedule<I, R>(tasks: readonly Task<I, R>[], lanes: Lanes<I, R>, isSolved: (result: R) => boolean, token: CancellationToken): Promise<(R | null)[]> {
  return new Schedule(tasks, lanes, isSolved, token).run();
}

class Schedule<I, R> {
  private readonly states: State<R>[];
  private readonly idle: Lane<I, R>[];
  private readonly opened = new Set<Lane<I, R>>();
  /** Tasks whose lane was lost: for the first lane only. */
  private readonly lost = new Set<number>();
  private canOpen = false;
  private wake: () => void = () => undefined;

  constructor(
    private readonly tasks: readonly Task<I, R>[],
    private readonly lanes: Lanes<I, R>,
    private readonly isSolved: (result: R) => boolean,
    private readonly token: CancellationToken,
  ) {
    this.states = tasks.map(() => ({ kind: 'waiting' }));
    this.idle = [lanes.first];
  }

  async run(): Promise<(R | null)[]> {
    const watch = this.token.onCancellationRequested(() => this.wake());
    const headStart = setInterval(() => {
      this.canOpen = true;
      this.wake();
    }, HEAD_START_MS);
    try {
      for (;;) {
        throwIfCancelled(this.token);
        const change = new Promise<void>((resolve) => (this.wake = resolve));
        this.startReady();
        const results = this.results();
        if (results) return results;
        await change;
      }
    } finally {
      clearInterval(headStart);
      watch.dispose();
      await this.stop();
    }
  }

  /** Null as long as a task that counts has not ended. */
  private results(): (R | null)[] | null {
    const results: (R | null)[] = [];
    for (const state of this.states) {
      if (state.kind === 'failed') throw state.error;
      if (state.kind !== 'ended') return null;
      results.push(state.result);
      if (state.result !== null && this.isSolved(state.result)) break;
    }
    return results;
  }

  /** Tasks from there on do not count. */
  private bound(): number {
    const solved = this.states.findIndex((state) => state.kind === 'failed' || (state.kind === 'ended' && state.result !== null && this.isSolved(state.result)));
    return solved < 0 ? this.tasks.length : solved + 1;
  }

  private startReady(): void {
    for (let place = 0; place < this.bound(); place++) {
      const task = this.tasks[place];
      if (!task || this.states[place]?.kind !== 'waiting' || !task.after.every((before) => this.states[before]?.kind === 'ended')) continue;
      const lane = this.freeLane(place);
      if (lane) this.begin(place, task, lane);
      else this.yieldTo(place);
      if (!lane && !this.lost.has(place)) break;
    }
    this.states.slice(this.bound()).forEach((state) => {
      if (state.kind === 'running') state.source.cancel();
    });
  }

  private freeLane(place: number): Lane<I, R> | null {
    const { first, more } = this.lanes;
    const lane = this.idle.find((candidate) => candidate === first || !this.lost.has(place));
    if (lane) {
      this.idle.splice(this.idle.indexOf(lane), 1);
      return lane;
    }
    if (!this.canOpen || this.opened.size >= more || this.lost.has(place) || !this.lanes.isWorthOpening()) return null;
    const opened = this.lanes.open();
    this.opened.add(opened);
    return opened;
  }

  /** Asks the last later task that yields to make room, unless one is asked already. */
  private yieldTo(place: number): void {
    if (this.states.some((state) => state.kind === 'running' && state.source.token.isCancellationRequested)) return;
    for (let later = this.tasks.length - 1; later > place; later--) {
      const state = this.states[later];
      if (state?.kind !== 'running' || this.tasks[later]?.yields !== true || (this.lost.has(place) && state.lane !== this.lanes.first)) continue;
      state.source.cancel();
      return;
    }
  }

  private begin(place: number, task: Task<I, R>, lane: Lane<I, R>): void {
    const input = task.input((before) => {
      const state = this.states[before];
      return state?.kind === 'ended' ? state.result : null;
    });
    if (input === null) {
      this.states[place] = { kind: 'ended', result: null };
      this.idle.push(lane);
      return;
    }
    const source = new CancellationSource();
    const done = Promise.resolve()
      .then(() => this.work(place, input, lane, source))
      .then(() => this.wake());
    this.states[place] = { kind: 'running', lane, source, done };
  }

  private async work(place: number, input: I, lane: Lane<I, R>, source: CancellationSource): Promise<void> {
    try {
      const result = await lane.run(input, source.token);
      this.states[place] = { kind: 'ended', result };
      if (!this.isSolved(result)) this.canOpen = true;
    } catch (error) {
      this.states[place] = this.afterError(place, lane, error, source.token);
    }
    if (lane === this.lanes.first || this.opened.has(lane)) this.idle.push(lane);
  }

  private afterError(place: number, lane: Lane<I, R>, error: unknown, token: CancellationToken): State<R> {
    if (error instanceof CancelledError && token.isCancellationRequested) return { kind: 'waiting' };
    if (lane === this.lanes.first) return { kind: 'failed', error };
    this.opened.delete(lane);
    lane.dispose();
    this.lost.add(place);
    return { kind: 'waiting' };
  }

  private async stop(): Promise<void> {
    const running = this.states.flatMap((state) => (state.kind === 'running' ? [state] : []));
    for (const { source } of running) source.cancel();
    for (const lane of this.opened) lane.dispose();
    await Promise.all(running.map(({ done }) => done));
  }
}

// Worker processes that do jobs side by side: one that dies is replaced, and its job tried once more.
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';

/** What a worker answers to each job. */
export type Answer<Result> = { readonly result: Result } | { readonly error: string };

export interface PoolOptions {
  /** A module that answers every message, a job, with an `Answer`. */
  readonly workerPath: string;
  readonly arguments: readonly string[];
  /** Options of Node. */
  readonly execArgv: readonly string[];
  readonly workers: number;
  /** A job that takes longer counts as a death. */
  readonly jobMillis: number;
  /** Asked before each job: no more are begun, those begun are finished. */
  readonly isOver: () => boolean;
  /** Ends everything at once; unfinished jobs count as not begun. */
  readonly signal: AbortSignal;
}

const TRIES = 2;
/** So many failed jobs in a row, and none before that was done: it is not the jobs' fault. */
const HOPELESS = 4;

/** Does the jobs in their order, as many at a time as there are workers. @throws Error where no worker does any job. */
export async function runPool<Job, Result>(jobs: readonly Job[], options: PoolOptions, onAnswer: (job: Job, answer: Answer<Result>) => void): Promise<void> {
  const queue = [...jobs];
  let failures = 0;
  let done = 0;
  const next = (): Job | undefined => (options.signal.aborted || options.isOver() ? undefined : queue.shift());
  const work = async (): Promise<void> => {
    const worker = new Worker<Job, Result>(options);
    try {
      for (let job = next(); job !== undefined; job = next()) {
        const answer = await worker.attempt(job);
        if (options.signal.aborted) return;
        if ('error' in answer) failures++;
        else done++;
        if (done === 0 && failures >= HOPELESS && 'error' in answer) throw new Error(`No worker did any of the first ${failures} jobs. The last one: ${answer.error}`);
        onAnswer(job, answer);
      }
    } finally {
      worker.stop();
    }
  };
  await Promise.all(Array.from({ length: Math.min(options.workers, jobs.length) }, work));
}

class Worker<Job, Result> {
  private child: ChildProcess | null = null;
  private readonly abort = (): void => this.kill();

  constructor(private readonly options: PoolOptions) {
    options.signal.addEventListener('abort', this.abort);
  }

  async attempt(job: Job): Promise<Answer<Result>> {
    let answer: Answer<Result> = { error: '' };
    for (let attempt = 0; attempt < TRIES && 'error' in answer && !this.options.signal.aborted; attempt++) {
      answer = await this.ask(job);
      // What a failed job left behind must not decide over the next one.
      if ('error' in answer) this.kill();
    }
    return answer;
  }

  stop(): void {
    this.options.signal.removeEventListener('abort', this.abort);
    // Without its parent the worker ends by itself, after its own clearing up.
    if (this.child?.connected) this.child.disconnect();
    this.child = null;
  }

  private kill(): void {
    this.child?.kill('SIGKILL');
    this.child = null;
  }

  private ask(job: Job): Promise<Answer<Result>> {
    const child = this.process();
    return new Promise((resolve) => {
      const timer = setTimeout(() => child.kill('SIGKILL'), this.options.jobMillis);
      const settle = (answer: Answer<Result>): void => {
        clearTimeout(timer);
        child.removeAllListeners();
        // Errors that come later, of a channel that closes, are nobody's.
        child.on('error', () => undefined);
        resolve(answer);
      };
      child.once('message', (answer: Answer<Result>) => settle(answer));
      child.once('exit', (code, signal) => settle({ error: `the worker process ended with ${signal ?? `code ${code}`}` }));
      child.once('error', (error) => settle({ error: `the worker process could not be reached: ${error.message}` }));
      child.send(job as Parameters<ChildProcess['send']>[0]);
    });
  }

  /** In a process group of its own: Ctrl+C is for the parent, which decides what becomes of the workers. */
  private process(): ChildProcess {
    const { workerPath, arguments: args, execArgv } = this.options;
    this.child ??= fork(workerPath, args, { execArgv: [...execArgv], serialization: 'advanced', detached: true });
    return this.child;
  }
}

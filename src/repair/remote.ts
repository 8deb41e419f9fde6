// The worker process as the editor sees it: promises, progress, and cancellation that cannot be ignored.
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import type { RepairProgress } from './types.ts';
import type { TaskEvent } from './task.ts';
import type { CancelRequest, WorkerReply, WorkerRequest } from './workerProtocol.ts';
import type { CancellationToken } from '../shared/cancellation.ts';
import { CancelledError, neverCancelled } from '../shared/cancellation.ts';

/** The worker process ended by itself. What it was asked for can be asked again. */
export class WorkerDiedError extends Error {
  override readonly name = 'WorkerDiedError';
}

type WithoutId<T> = T extends unknown ? Omit<T, 'id'> : never;

interface Listeners {
  readonly onProgress?: (progress: RepairProgress) => void;
  readonly onTaskEvent?: (event: TaskEvent) => void;
}

export interface CallOptions extends Listeners {
  readonly token?: CancellationToken;
  /** Cancelling ends the process, whatever it does (the default), or asks a task to stop and keeps the process. */
  readonly whenCancelled?: 'end' | 'ask';
}

interface Waiting extends Listeners {
  resolve(reply: WorkerReply): void;
  reject(error: Error): void;
}

/** One worker process, started when first needed and again when it has died. */
export class RemoteWorker {
  private child: ChildProcess | null = null;
  private readonly waiting = new Map<number, Waiting>();
  private nextId = 1;

  constructor(
    private readonly path: string,
    private readonly log: (line: string) => void,
  ) {}

  get pid(): number | undefined {
    return this.child?.pid;
  }

  /** @throws CancelledError when the token says so: at once where the process is ended for it. */
  async call(request: WithoutId<Exclude<WorkerRequest, CancelRequest>>, options: CallOptions = {}): Promise<WorkerReply> {
    const { token = neverCancelled, whenCancelled = 'end', ...listeners } = options;
    if (token.isCancellationRequested) throw new CancelledError();
    const child = this.process();
    const id = this.nextId++;
    const reply = new Promise<WorkerReply>((resolve, reject) => {
      this.waiting.set(id, { resolve, reject, ...listeners });
    });
    child.send({ ...request, id } as WorkerRequest);
    const watch = token.onCancellationRequested(() => {
      if (whenCancelled === 'end') this.end(new CancelledError());
      else if (child.connected) child.send({ type: 'cancel', id } satisfies WorkerRequest);
    });
    try {
      const answer = await reply;
      if (answer.type === 'cancelled') throw new CancelledError();
      if (answer.type === 'failed') throw new Error(answer.message);
      return answer;
    } finally {
      watch.dispose();
    }
  }

  dispose(): void {
    this.end(new CancelledError());
  }

  private end(reason: Error): void {
    const { child } = this;
    this.child = null;
    child?.removeAllListeners('exit');
    child?.kill('SIGKILL');
    this.rejectAll(reason);
  }

  private process(): ChildProcess {
    if (this.child) return this.child;
    const child = fork(this.path, [], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      // Tracing makes many small objects that live for one request: with V8's own young space half of the time is collection.
      execArgv: ['--min-semi-space-size=16', '--max-semi-space-size=32'],
      env: { ...process.env, ELECTRON_RUN_AS_NODE: '1' },
    });
    this.child = child;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => this.log(text.trimEnd()));
    child.on('message', (reply: WorkerReply) => this.onReply(reply));
    child.on('exit', (code, signal) => {
      if (this.child === child) this.child = null;
      this.rejectAll(new WorkerDiedError(`The worker process ended (${signal ?? `code ${String(code)}`}). Nothing is lost; try again.`));
    });
    return child;
  }

  private onReply(reply: WorkerReply): void {
    const waiting = this.waiting.get(reply.id);
    if (reply.type === 'progress') {
      waiting?.onProgress?.(reply.progress);
      return;
    }
    if (reply.type === 'taskEvent') {
      waiting?.onTaskEvent?.(reply.event);
      return;
    }
    this.waiting.delete(reply.id);
    waiting?.resolve(reply);
  }

  private rejectAll(error: Error): void {
    const all = [...this.waiting.values()];
    this.waiting.clear();
    for (const { reject } of all) reject(error);
  }
}

// A worker process as its user sees it: promises, events on the way, cancellation that cannot be ignored, death as an error.
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import type { CancellationToken } from '../shared/cancellation.ts';
import { CancelledError, neverCancelled } from '../shared/cancellation.ts';

/** The worker process ended by itself. What it was asked for can be asked again. */
export class WorkerDiedError extends Error {
  override readonly name = 'WorkerDiedError';
}

export interface Message {
  readonly type: string;
  readonly id: number;
}

/** A bug on the other side, told with its message. */
export interface FailedReply {
  readonly type: 'failed';
  readonly id: number;
  readonly message: string;
}
export interface CancelledReply {
  readonly type: 'cancelled';
  readonly id: number;
}
/** The call of that id is no longer wanted; whoever honours it answers with `cancelled`, or with what there is. */
export interface CancelRequest {
  readonly type: 'cancel';
  readonly id: number;
}

type WithoutId<T> = T extends unknown ? Omit<T, 'id'> : never;

export interface RemoteOptions<Event> {
  readonly token?: CancellationToken;
  /** Cancelling ends the process, whatever it does (the default), or asks it to stop and keeps the process. */
  readonly whenCancelled?: 'end' | 'ask';
  readonly onEvent?: (event: Event) => void;
}

interface Waiting<Event, Reply> {
  readonly onEvent: ((event: Event) => void) | undefined;
  resolve(reply: Reply): void;
  reject(error: Error): void;
}

export interface ProcessOptions<Event extends Message> {
  /** The built script. */
  readonly path: string;
  readonly log: (line: string) => void;
  /** Tells messages on the way from the answer. */
  readonly isEvent: (message: Message) => message is Event;
  readonly execArgv?: readonly string[];
}

/** One worker process, started when first needed and again when it has died. */
export class RemoteProcess<Request extends Message, Reply extends Message, Event extends Message> {
  private child: ChildProcess | null = null;
  private readonly waiting = new Map<number, Waiting<Event, Reply>>();
  private nextId = 1;

  constructor(private readonly options: ProcessOptions<Event>) {}

  get pid(): number | undefined {
    return this.child?.pid;
  }

  /** @throws CancelledError when the token says so: at once where the process is ended for it. */
  async call(request: WithoutId<Request>, { token = neverCancelled, whenCancelled = 'end', onEvent }: RemoteOptions<Event> = {}): Promise<Reply> {
    if (token.isCancellationRequested) throw new CancelledError();
    const child = this.process();
    const id = this.nextId++;
    const reply = new Promise<Reply>((resolve, reject) => {
      this.waiting.set(id, { resolve, reject, onEvent });
    });
    child.send({ ...request, id });
    const watch = token.onCancellationRequested(() => {
      if (whenCancelled === 'end') this.end(new CancelledError());
      else if (child.connected) child.send({ type: 'cancel', id } satisfies CancelRequest);
    });
    try {
      return await reply;
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
    const child = fork(this.options.path, [], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      execArgv: [...(this.options.execArgv ?? [])],
      env: { ...process.env, ELECTRON_RUN_AS_NODE: '1' },
    });
    this.child = child;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => this.options.log(text.trimEnd()));
    child.on('message', (message: Message) => this.onMessage(message));
    child.on('exit', (code, signal) => {
      if (this.child !== child) return;
      this.child = null;
      this.rejectAll(new WorkerDiedError(`The worker process ended (${signal ?? `code ${String(code)}`}). Nothing is lost; try again.`));
    });
    return child;
  }

  private onMessage(message: Message): void {
    const waiting = this.waiting.get(message.id);
    if (this.options.isEvent(message)) {
      waiting?.onEvent?.(message);
      return;
    }
    this.waiting.delete(message.id);
    if (message.type === 'cancelled') waiting?.reject(new CancelledError());
    else if (message.type === 'failed') waiting?.reject(new Error((message as FailedReply).message));
    else waiting?.resolve(message as Reply);
  }

  private rejectAll(error: Error): void {
    const all = [...this.waiting.values()];
    this.waiting.clear();
    for (const { reject } of all) reject(error);
  }
}

// The worker process that analyses and repairs programs, as the editor sees it.
import type { RepairProgress } from './types.ts';
import type { TaskEvent } from './task.ts';
import type { CancelRequest, ProgressReply, TaskEventReply, WorkerReply, WorkerRequest } from './workerProtocol.ts';
import type { Message } from '../runtime/remoteProcess.ts';
import { RemoteProcess } from '../runtime/remoteProcess.ts';
import type { CancellationToken } from '../shared/cancellation.ts';

type Request = Exclude<WorkerRequest, CancelRequest>;
type Event = ProgressReply | TaskEventReply;
type WithoutId<T> = T extends unknown ? Omit<T, 'id'> : never;

export interface CallOptions {
  readonly token?: CancellationToken;
  /** Cancelling ends the process, whatever it does (the default), or asks a task to stop and keeps the process. */
  readonly whenCancelled?: 'end' | 'ask';
  readonly onProgress?: (progress: RepairProgress) => void;
  readonly onTaskEvent?: (event: TaskEvent) => void;
}

const isEvent = ({ type }: Message): boolean => type === 'progress' || type === 'taskEvent';

/** One worker process, started when first needed and again when it has died. */
export class RemoteWorker {
  private readonly process: RemoteProcess<Request, WorkerReply, Event>;

  constructor(path: string, log: (line: string) => void) {
    // Tracing makes many small objects that live for one request: with V8's own young space half of the time is collection.
    const execArgv = ['--min-semi-space-size=16', '--max-semi-space-size=32'];
    this.process = new RemoteProcess({ path, log, execArgv, isEvent: (message): message is Event => isEvent(message) });
  }

  get pid(): number | undefined {
    return this.process.pid;
  }

  /** @throws CancelledError when the token says so: at once where the process is ended for it. */
  call(request: WithoutId<Request>, { onProgress, onTaskEvent, ...options }: CallOptions = {}): Promise<WorkerReply> {
    const onEvent = (event: Event): void => (event.type === 'progress' ? onProgress?.(event.progress) : onTaskEvent?.(event.event));
    return this.process.call(request, { ...options, onEvent });
  }

  dispose(): void {
    this.process.dispose();
  }
}

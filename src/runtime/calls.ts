// Calls of a worker process by name: what each takes, tells on the way and gives is one table of types for both sides.
import type { CancelledReply, CancelRequest, FailedReply, Message, ProcessOptions, RemoteOptions } from './remoteProcess.ts';
import { RemoteProcess } from './remoteProcess.ts';
import type { CancellationToken } from '../shared/cancellation.ts';
import { CancellationSource, CancelledError } from '../shared/cancellation.ts';

/** One call: all three are plain data. */
export interface Call {
  readonly request: unknown;
  readonly event: unknown;
  readonly result: unknown;
}
type CallTable<T> = { readonly [K in keyof T]: Call };

export interface CallContext<Event> {
  readonly token: CancellationToken;
  readonly tell: (event: Event) => void;
}

/** A handler for every call of the table. */
export type Handlers<T extends CallTable<T>> = {
  readonly [K in keyof T]: (request: T[K]['request'], context: CallContext<T[K]['event']>) => Promise<T[K]['result']> | T[K]['result'];
};

interface RequestMessage extends Message {
  readonly type: 'call';
  readonly name: string;
  readonly request: unknown;
}
interface EventMessage extends Message {
  readonly type: 'event';
  readonly event: unknown;
}
interface ResultMessage extends Message {
  readonly type: 'result';
  readonly result: unknown;
}

/** The process that answers the calls of a table. */
export class RemoteCalls<T extends CallTable<T>> {
  private readonly process: RemoteProcess<RequestMessage, ResultMessage, EventMessage>;

  constructor(options: Omit<ProcessOptions<EventMessage>, 'isEvent'>) {
    this.process = new RemoteProcess({ ...options, isEvent: (message): message is EventMessage => message.type === 'event' });
  }

  get pid(): number | undefined {
    return this.process.pid;
  }

  /** @throws CancelledError; WorkerDiedError where the process ended by itself */
  async call<K extends keyof T & string>(name: K, request: T[K]['request'], { onEvent, ...options }: RemoteOptions<T[K]['event']> = {}): Promise<T[K]['result']> {
    const { result } = await this.process.call({ type: 'call', name, request }, { ...options, onEvent: ({ event }) => onEvent?.(event as T[K]['event']) });
    return result as T[K]['result'];
  }

  dispose(): void {
    this.process.dispose();
  }
}

/** Answers the calls that come from the process that forked this one, until it is gone. */
export function serveCalls<T extends CallTable<T>>(handlers: Handlers<T>, onEnd: () => void): void {
  const underWay = new Map<number, CancellationSource>();
  const send = (message: EventMessage | ResultMessage | FailedReply | CancelledReply): void => void process.send?.(message);
  process.on('message', (message: RequestMessage | CancelRequest) => {
    if (message.type === 'cancel') return underWay.get(message.id)?.cancel();
    const { id, name, request } = message;
    const source = new CancellationSource();
    underWay.set(id, source);
    const tell = (event: unknown): void => send({ type: 'event', id, event });
    const handler = handlers[name as keyof T & string];
    void Promise.resolve()
      .then(() => handler(request, { token: source.token, tell }))
      .then(
        (result) => send({ type: 'result', id, result }),
        (error: unknown) => send(error instanceof CancelledError ? { type: 'cancelled', id } : { type: 'failed', id, message: error instanceof Error ? error.message : String(error) }),
      )
      .finally(() => underWay.delete(id));
  });
  process.on('disconnect', () => {
    onEnd();
    process.exit(0);
  });
}

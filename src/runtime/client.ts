// The client of the model host: starts it, restarts it, and makes its sessions look like local objects.
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import path from 'node:path';
import { LastWords, startFailure } from './hostFailure.ts';
import { modelBytes } from './modelSize.ts';
import type { CacheUse, CreateRequest, DecodedToken, DecodeRequest, HostReply, HostRequest, HostTensor, IteratedReply, IterateRequest, Provider, RunRequest, SessionOptions, Slot } from './protocol.ts';
import { explained } from './runtimeMessages.ts';
import type { CancellationToken } from '../shared/cancellation.ts';
import { CancelledError } from '../shared/cancellation.ts';

/** The host process ended while it was working. The call may be made again: the host restarts by itself. */
export class HostDiedError extends Error {
  override readonly name: string = 'HostDiedError';
}

/** The host process ended before it was ready: something is missing, and another attempt would end likewise. */
export class HostStartError extends HostDiedError {
  override readonly name = 'HostStartError';
}

/** The run needs a cache that a host took with it when it died: what the cache was made from must be run again. */
export class CacheLostError extends HostDiedError {}

/** The runtime refused a model or a run. */
export class RuntimeError extends Error {
  override readonly name = 'RuntimeError';
}

export interface ModelHostOptions {
  /** The built host (`dist/host.cjs`). */
  readonly hostPath: string;
  /** Added to the process environment. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Provider of sessions that ask for none; default `cpu`. */
  readonly provider?: Provider;
  /** Total size of the models that may be open at once, bytes; default 8 GiB. */
  readonly memoryBudgetBytes?: number;
  readonly log?: (line: string) => void;
}

export interface RunOptions {
  /** Only these outputs are computed and sent. */
  readonly outputs?: readonly string[];
  /** Of these outputs only the part [start, end) along axis 1 is sent. */
  readonly slices?: NonNullable<RunRequest['slices']>;
  /** Inputs taken from what an earlier run left in the host, and outputs left there. Numbers come from `ModelHost.newCache`. */
  readonly cache?: CacheUse;
  /** Cancelling kills the host: a native run cannot be stopped otherwise. Other sessions reopen by themselves. */
  readonly token?: CancellationToken;
}

/** A graph whose weights lie in files: what `openModelFile` gives, or an edit of it, encoded. */
export interface ExternalModel {
  readonly graph: Uint8Array;
  /** The folder that the locations of its external data are relative to. */
  readonly dataFolder: string;
  /** Bytes of the weights, for the memory budget. */
  readonly dataBytes: number;
}

export type ModelSource = Uint8Array | { readonly path: string } | ExternalModel;

interface Pending {
  resolve(reply: HostReply): void;
  reject(error: Error): void;
}

/** What `Session.iterate` is asked for. */
export type Iteration = Pick<IterateRequest, 'state' | 'steps' | 'carry' | 'outputs'>;

/** What `Session.decode` is asked for. */
export type Decoding = Omit<DecodeRequest, 'type' | 'id' | 'session' | 'embedding'> & {
  readonly embedding?: Omit<NonNullable<DecodeRequest['embedding']>, 'session'> & { readonly session: Session };
};

type WithoutId<T> = T extends unknown ? Omit<T, 'id'> : never;

const RESTARTS_PER_MINUTE = 3;
/** Attempts at one piece of work before a dying host is given up. */
const ATTEMPTS = 3;

export class ModelHost {
  private child: ChildProcess | null = null;
  private readonly pending = new Map<number, Pending>();
  private readonly sessions = new Map<string, Session>();
  private readonly deaths: number[] = [];
  private words = new LastWords(null);
  /** The present process has said that it takes requests. */
  private ready = false;
  private lastFailure: HostDiedError | null = null;
  private nextId = 1;
  private nextSession = 1;
  private nextCache = 1;
  private disposed = false;
  /** Counts the processes: a session opened in an earlier one must be opened again. */
  private generation = 0;

  private constructor(private readonly options: ModelHostOptions) {}

  static start(options: ModelHostOptions): ModelHost {
    const host = new ModelHost(options);
    host.process();
    return host;
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  get currentGeneration(): number {
    return this.generation;
  }

  get provider(): Provider {
    return this.options.provider ?? 'cpu';
  }

  /** The built host script, for processes that start hosts of their own. */
  get hostPath(): string {
    return this.options.hostPath;
  }

  /**
   * Opens a model. The same bytes with the same options share one session.
   * @throws RuntimeError if the runtime refuses the model or the memory budget is used up.
   */
  async createSession(model: ModelSource, options: Partial<SessionOptions> = {}): Promise<Session> {
    const complete: SessionOptions = { provider: options.provider ?? this.provider, optimization: options.optimization ?? 'all', threads: options.threads ?? 0 };
    const key = sessionKey(model, complete);
    const known = this.sessions.get(key);
    if (known) return known.share();
    const session = new Session(this, this.nextSession++, key, model, complete);
    this.checkBudget(session.bytes);
    this.sessions.set(key, session);
    try {
      await session.open();
    } catch (error) {
      this.sessions.delete(key);
      throw error;
    }
    return session;
  }

  private checkBudget(wanted: number): void {
    const budget = this.options.memoryBudgetBytes ?? 8 * 2 ** 30;
    const used = [...this.sessions.values()].reduce((sum, session) => sum + session.bytes, 0);
    if (used + wanted <= budget) return;
    const open = [...this.sessions.values()].map(({ name, bytes }) => `${name} ${sizeText(bytes)}`);
    const inUse = open.length === 0 ? 'no other is open' : `${sizeText(used)} are in use (${open.join(', ')})`;
    throw new RuntimeError(
      `The model needs at least ${sizeText(wanted)}, ${inUse}, and the memory budget is ${sizeText(budget)}. Close a model, use a smaller variant (q4, int8), or raise the budget.`,
    );
  }

  /** Which providers the runtime was built with. */
  async backends(): Promise<{ backends: readonly { name: string; bundled: boolean }[]; version: string }> {
    const reply = await this.request({ type: 'backends' });
    if (reply.type !== 'backends') throw new RangeError(`unexpected reply ${reply.type}`);
    return reply;
  }

  async request(message: WithoutId<HostRequest>): Promise<HostReply> {
    const child = this.process();
    const id = this.nextId++;
    const reply = await new Promise<HostReply>((resolve, reject) => {
      this.pending.set(id, { resolve, reject });
      keepAlive(child, true);
      child.send({ ...message, id } as HostRequest, (error) => {
        if (!error || !this.pending.has(id)) return;
        // A killed process refuses messages before its exit is told: the next request must start another.
        child.kill('SIGKILL');
        this.onExit(child, child.exitCode === null ? `by signal ${child.signalCode ?? 'SIGKILL'}` : `with code ${child.exitCode}`);
      });
    });
    if (reply.type !== 'failed') return reply;
    throw reply.cacheLost ? new CacheLostError(reply.message) : new RuntimeError(explained(reply.message));
  }

  /** The number of a cache that no other run uses. */
  newCache(): number {
    return this.nextCache++;
  }

  /** Frees caches; those that a dead host took with it are free. */
  async forgetCaches(caches: readonly number[]): Promise<void> {
    if (this.child && caches.length > 0) await this.request({ type: 'forget', caches });
  }

  /** Ends the process at once; what was running fails, the next request starts a new one. */
  kill(reason: Error = new HostDiedError('The model host was stopped.')): void {
    const { child } = this;
    this.child = null;
    child?.removeAllListeners('exit');
    if (child) keepAlive(child, false);
    child?.kill('SIGKILL');
    this.rejectAll(reason);
  }

  dispose(): void {
    this.disposed = true;
    this.kill(new HostDiedError('The model host was closed.'));
    this.sessions.clear();
  }

  forget(key: string): void {
    this.sessions.delete(key);
  }

  private process(): ChildProcess {
    if (this.disposed) throw new HostDiedError('The model host is closed.');
    if (this.child) return this.child;
    this.checkRestarts();
    const child = fork(this.options.hostPath, [], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      execArgv: [],
      env: { ...process.env, ...this.options.environment, ELECTRON_RUN_AS_NODE: '1' },
    });
    this.child = child;
    this.generation++;
    this.ready = false;
    this.words = new LastWords(child.stderr);
    child.on('message', (reply: HostReply) => {
      this.ready ||= this.child === child;
      const waiting = this.pending.get(reply.id);
      this.pending.delete(reply.id);
      if (this.pending.size === 0) keepAlive(child, false);
      waiting?.resolve(reply);
    });
    child.on('exit', (code, signal) => this.onExit(child, signal ? `by signal ${signal}` : `with code ${code ?? 'unknown'}`));
    child.on('error', (error) => {
      this.options.log?.(`model host: ${error.message}`);
      // Where no process came to be, no exit is told either.
      if (child.pid === undefined) this.onExit(child, `at once (${error.message})`);
    });
    keepAlive(child, false);
    return child;
  }

  private checkRestarts(): void {
    const now = Date.now();
    const recent = this.deaths.filter((at) => now - at < 60_000);
    if (recent.length <= RESTARTS_PER_MINUTE) return;
    const { lastFailure: last } = this;
    const message = `The model host ended ${recent.length} times within a minute and is not started again. ${last?.message ?? ''}`.trim();
    throw last instanceof HostStartError ? new HostStartError(message) : new HostDiedError(message);
  }

  private onExit(child: ChildProcess, how: string): void {
    if (this.child !== child) return;
    this.child = null;
    this.deaths.push(Date.now());
    const { words, ready } = this;
    const waiting = this.takePending();
    void words.complete().then(() => {
      const error = this.failure(how, ready, words.text);
      this.lastFailure = error;
      this.options.log?.(`model host ended ${how}: ${words.text}`);
      for (const { reject } of waiting) reject(error);
    });
  }

  private failure(how: string, ready: boolean, words: string): HostDiedError {
    if (ready) return new HostDiedError(`The model host ended ${how} while it was working; try again. ${words}`.trim());
    // A signal comes from outside, or from a crash that may not come again.
    if (how.startsWith('by signal')) return new HostDiedError(`The model host ended ${how} while it was starting; try again. ${words}`.trim());
    return new HostStartError(startFailure(this.options.hostPath, how, words));
  }

  private takePending(): readonly Pending[] {
    const waiting = [...this.pending.values()];
    this.pending.clear();
    return waiting;
  }

  private rejectAll(error: Error): void {
    for (const { reject } of this.takePending()) reject(error);
  }
}

const sizeText = (bytes: number): string => (bytes < 2 ** 30 ? `${(bytes / 2 ** 20).toFixed(1)} MiB` : `${(bytes / 2 ** 30).toFixed(2)} GiB`);

/** An idle host must not keep its parent alive; a pending request does, to its answer or to the exit of the host. */
function keepAlive(child: ChildProcess, needed: boolean): void {
  if (needed) child.ref();
  else child.unref();
  if (needed) child.channel?.ref();
  else child.channel?.unref();
}

/** Does a piece of work again if the host dies under it; the work must start from its beginning each time. @throws HostDiedError */
export async function survivingDeaths<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof HostDiedError) || error instanceof HostStartError || attempt >= ATTEMPTS) throw error;
    }
  }
}

/** An open model. Survives the death of its host: it is opened again when it is used. */
export class Session {
  private openIn = -1;
  private opening: Promise<void> | null = null;
  private shares = 1;
  /** What the model needs at least: with its files of weights, as they were when it was opened. */
  readonly bytes: number;
  inputs: readonly Slot[] = [];
  outputs: readonly Slot[] = [];

  constructor(
    readonly host: ModelHost,
    private readonly id: number,
    private readonly key: string,
    readonly model: ModelSource,
    readonly options: SessionOptions,
  ) {
    this.bytes = bytesOf(model);
  }

  /** For messages. */
  get name(): string {
    return 'path' in this.model ? path.basename(this.model.path) : `graph ${this.id}`;
  }

  get provider(): Provider {
    return this.options.provider;
  }

  /** Runs the model. @throws RuntimeError, HostDiedError, CancelledError */
  async run(feeds: Readonly<Record<string, HostTensor>>, options: RunOptions = {}): Promise<Readonly<Record<string, HostTensor>>> {
    const { token, ...how } = options;
    const reply = await this.cancellable(token, { type: 'run', session: this.id, feeds, ...how });
    if (reply.type !== 'ran') throw new RangeError(`unexpected reply ${reply.type}`);
    return reply.outputs;
  }

  /** Runs the model once for each of `steps`, carrying outputs over to inputs. @throws RuntimeError, HostDiedError, CancelledError */
  async iterate(request: Iteration, token?: CancellationToken): Promise<Pick<IteratedReply, 'state' | 'outputs'>> {
    const reply = await this.cancellable(token, { type: 'iterate', session: this.id, ...request });
    if (reply.type !== 'iterated') throw new RangeError(`unexpected reply ${reply.type}`);
    return reply;
  }

  /** Chooses tokens one after the other within the host: at least one. @throws RuntimeError, HostDiedError, CacheLostError */
  async decode({ embedding, ...request }: Decoding): Promise<readonly DecodedToken[]> {
    await embedding?.session.open();
    await this.open();
    const embed = embedding ? { embedding: { ...embedding, session: embedding.session.id } } : {};
    const reply = await this.host.request({ type: 'decode', session: this.id, ...request, ...embed });
    if (reply.type !== 'decoded') throw new RangeError(`unexpected reply ${reply.type}`);
    return reply.tokens;
  }

  get inputNames(): readonly string[] {
    return this.inputs.map(({ name }) => name);
  }

  get outputNames(): readonly string[] {
    return this.outputs.map(({ name }) => name);
  }

  private async cancellable(token: CancellationToken | undefined, request: WithoutId<HostRequest>): Promise<HostReply> {
    if (token?.isCancellationRequested) throw new CancelledError();
    await this.open();
    const watch = token?.onCancellationRequested(() => this.host.kill(new CancelledError()));
    try {
      return await this.host.request(request);
    } finally {
      watch?.dispose();
    }
  }

  /** Closes the model when its last user releases it. */
  async release(): Promise<void> {
    if (--this.shares > 0) return;
    this.host.forget(this.key);
    if (this.openIn === this.host.currentGeneration && this.host.pid !== undefined) {
      await this.host.request({ type: 'release', session: this.id });
    }
  }

  share(): this {
    this.shares++;
    return this;
  }

  async open(): Promise<void> {
    if (this.openIn === this.host.currentGeneration && this.host.pid !== undefined) return;
    this.opening ??= this.create().finally(() => (this.opening = null));
    await this.opening;
  }

  private async create(): Promise<void> {
    const reply = await this.host.request({ type: 'create', session: this.id, ...requested(this.model), options: this.options });
    if (reply.type !== 'created') throw new RangeError(`unexpected reply ${reply.type}`);
    this.openIn = this.host.currentGeneration;
    this.inputs = reply.inputs;
    this.outputs = reply.outputs;
  }
}

function requested(model: ModelSource): Pick<CreateRequest, 'model' | 'dataFolder'> {
  if (model instanceof Uint8Array) return { model };
  return 'path' in model ? { model: model.path } : { model: model.graph, dataFolder: model.dataFolder };
}

const bytesOf = (model: ModelSource): number => ('graph' in model ? model.graph.byteLength + model.dataBytes : modelBytes(model));

function sessionKey(model: ModelSource, options: SessionOptions): string {
  const hash = createHash('sha256');
  if (model instanceof Uint8Array) hash.update(model);
  else if ('path' in model) hash.update(`path:${model.path}`);
  else hash.update(model.graph).update(`data:${model.dataFolder}`);
  return `${hash.digest('hex')}:${options.provider}:${options.optimization}:${options.threads}`;
}

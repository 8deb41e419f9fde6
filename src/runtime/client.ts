// The client of the model host: starts it, restarts it, and makes its sessions look like local objects.
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { CacheLostError, HostDiedError, HostStartError, RuntimeError } from './hostErrors.ts';
import { LastWords, startFailure } from './hostFailure.ts';
import { budgetOf, freeMemory, roomFor, tooLarge } from './memoryBudget.ts';
import type { HostReply, HostRequest, Provider, SessionOptions } from './protocol.ts';
import { explained } from './runtimeMessages.ts';
import type { ModelSource, WithoutId } from './session.ts';
import { Session, sessionKey, sourceBytes } from './session.ts';
import { sizeText } from '../shared/sizeText.ts';

// Sessions and errors are part of the host's interface: who has a host needs one import.
export { CacheLostError, HostDiedError, HostStartError, RuntimeError } from './hostErrors.ts';
export type { Decoding, ExternalModel, Iteration, Lane, ModelSource, Pairing, RunOptions, Session } from './session.ts';

export interface ModelHostOptions {
  /** The built host (`dist/host.cjs`). */
  readonly hostPath: string;
  /** Added to the process environment. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Provider of sessions that ask for none; default `cpu`. */
  readonly provider?: Provider;
  /** Total size of the models that may be open at once, bytes; default: four fifths of the free memory. */
  readonly memoryBudgetBytes?: number;
  readonly log?: (line: string) => void;
}

interface Pending {
  resolve(reply: HostReply): void;
  reject(error: Error): void;
}

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
  private uses = 0;
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

  /** The environment of the process that runs models. */
  get environment(): Readonly<Record<string, string | undefined>> {
    return { ...process.env, ...this.options.environment };
  }

  /** The built host script, for processes that start hosts of their own. */
  get hostPath(): string {
    return this.options.hostPath;
  }

  /**
   * Opens a model. The same bytes with the same options share one session. Where memory is short, the models that were
   * not used for the longest time make room; they open again when they are used.
   * @throws RuntimeError if the runtime refuses the model, or it is larger than the memory budget.
   */
  async createSession(model: ModelSource, options: Partial<SessionOptions> = {}): Promise<Session> {
    const complete = this.completed(options);
    const key = sessionKey(model, complete);
    const known = this.sessions.get(key);
    if (known) return known.share();
    const session = new Session(this, this.nextSession++, key, model, complete);
    this.sessions.set(key, session);
    try {
      await session.open();
    } catch (error) {
      this.sessions.delete(key);
      throw diedOpening(error, session.name);
    }
    return session;
  }

  /** As `createSession`, where no other model has to be closed for it; else null. @throws RuntimeError, HostDiedError */
  async createSessionBeside(model: ModelSource, options: Partial<SessionOptions> = {}): Promise<Session | null> {
    const known = this.sessions.get(sessionKey(model, this.completed(options)));
    return known?.held || this.fits(sourceBytes(model)) ? this.createSession(model, options) : null;
  }

  private completed(options: Partial<SessionOptions>): SessionOptions {
    return { ...options, provider: options.provider ?? this.provider, optimization: options.optimization ?? 'all', threads: options.threads ?? 0 };
  }

  /** Does a model of that size fit beside those that are held? */
  fits(bytes: number): boolean {
    const held = this.heldBeside(null);
    const room = roomFor(bytes, held, this.budgetBeside(held));
    return room.kind === 'fits' && room.evict.length === 0;
  }

  private heldBeside(session: Session | null): readonly Session[] {
    return [...this.sessions.values()].filter((other) => other !== session && other.held);
  }

  private budgetBeside(held: readonly Session[]): number {
    return this.options.memoryBudgetBytes ?? budgetOf(freeMemory(), held.reduce((sum, { bytes }) => sum + bytes, 0));
  }

  /** Calls `load` when the session fits beside the others that are held; what it does first counts as done at once. */
  async whenRoom(session: Session, load: () => Promise<void>): Promise<void> {
    for (;;) {
      const held = this.heldBeside(session);
      const budget = this.budgetBeside(held);
      const room = roomFor(session.bytes, held, budget);
      if (room.kind === 'tooLarge') throw new RuntimeError(tooLarge(session.name, session.file, session.bytes, budget, this.options.memoryBudgetBytes !== undefined));
      if (room.kind === 'wait') {
        await Promise.race(room.busy.map((other) => other.idle()));
        continue;
      }
      for (const other of room.evict) {
        this.options.log?.(`model host: ${other.name} (${sizeText(other.bytes)}) is closed to make room for ${session.name} (${sizeText(session.bytes)}); it opens again when it is used`);
        other.evict();
      }
      return load();
    }
  }

  /** The number of the next use of a session: later ones are greater. */
  nextUse(): number {
    return ++this.uses;
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

  /** Ends a run that cannot be ended otherwise. What was running or waiting fails and may be tried again. */
  interrupt(): void {
    this.kill(new HostDiedError('The model host was stopped to cancel a run; try again.'));
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
      env: { ...this.environment, ELECTRON_RUN_AS_NODE: '1' },
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

/** A death while a model was opened may be the model's doing. */
function diedOpening(error: unknown, model: string): unknown {
  if (!(error instanceof HostDiedError) || error instanceof HostStartError) return error;
  return new HostDiedError(`${error.message} It was asked to open ${model}: if that ends it again, the file is damaged or needs more memory than there is.`);
}

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

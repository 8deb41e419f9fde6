// An open model in the model host, as its users see it: it survives eviction and the death of the host.
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import path from 'node:path';
import type { ModelHost } from './client.ts';
import { RuntimeError } from './hostErrors.ts';
import { modelBytes } from './modelSize.ts';
import type { CacheUse, CreateRequest, DecodedToken, DecodeLane, DecodePace, HostReply, HostRequest, HostTensor, IteratedReply, IterateRequest, PairedToken, PairRequest, Provider, RunRequest, SessionOptions, Slot } from './protocol.ts';
import type { CancellationToken } from '../shared/cancellation.ts';
import { CancelledError } from '../shared/cancellation.ts';

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
  /** The model's own file, for messages. */
  readonly file?: string;
}

export type ModelSource = Uint8Array | { readonly path: string } | ExternalModel;

/** What `Session.iterate` is asked for. */
export type Iteration = Pick<IterateRequest, 'state' | 'steps' | 'carry' | 'outputs'>;

/** A text that `Session.decode` continues. */
export type Lane = Omit<DecodeLane, 'session' | 'embedding' | 'rest'> & {
  readonly embedding?: Omit<NonNullable<DecodeLane['embedding']>, 'session'> & { readonly session: Session };
  /** Takes part where it is open when the work begins. */
  readonly rest?: Omit<NonNullable<DecodeLane['rest']>, 'session'> & { readonly session: Session };
};

/** What `Session.decode` is asked for. */
export type Decoding = Lane & DecodePace;

/** What `Session.decodeBeside` is asked for beside the two texts. */
export type Pairing = DecodePace & Pick<PairRequest, 'follow' | 'reads'>;

export type WithoutId<T> = T extends unknown ? Omit<T, 'id'> : never;

export class Session {
  /** The process that holds the model now; −1: none. */
  private openIn = -1;
  private opening: Promise<void> | null = null;
  private shares = 1;
  private running = 0;
  private usedAt = 0;
  private readonly waiting: (() => void)[] = [];
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
    this.bytes = sourceBytes(model);
  }

  /** For messages. */
  get name(): string {
    return this.file === null ? `graph ${this.id}` : path.basename(this.file);
  }

  /** The file that the model lies in, where it is known. */
  get file(): string | null {
    return 'path' in this.model ? this.model.path : 'graph' in this.model ? (this.model.file ?? null) : null;
  }

  get provider(): Provider {
    return this.options.provider;
  }

  get inputNames(): readonly string[] {
    return this.inputs.map(({ name }) => name);
  }

  get outputNames(): readonly string[] {
    return this.outputs.map(({ name }) => name);
  }

  /** Is the model in the host's memory, or on its way there? */
  get held(): boolean {
    return this.opening !== null || this.isOpen;
  }

  /** Held for something that is under way: it cannot be evicted. */
  get busy(): boolean {
    return this.opening !== null || this.running > 0;
  }

  /** Grows with every use, over all sessions of the host. */
  get lastUse(): number {
    return this.usedAt;
  }

  private get isOpen(): boolean {
    return this.openIn === this.host.currentGeneration && this.host.pid !== undefined;
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
  async decode(request: Decoding): Promise<readonly DecodedToken[]> {
    const { embedding } = request;
    await embedding?.session.open();
    const reply = await this.holding(async () => {
      if (embedding && !embedding.session.isOpen) throw new RuntimeError(`${this.name} and ${embedding.session.name} do not fit into the memory budget together. Use a smaller variant (q4, int8) or a smaller model, or end other programs.`);
      const { sampling, endIds, steps, millis } = request;
      return this.host.request({ type: 'decode', ...this.lane(request), sampling, endIds, steps, millis });
    });
    if (reply.type !== 'decoded') throw new RangeError(`unexpected reply ${reply.type}`);
    return reply.tokens;
  }

  /**
   * Chooses tokens of two texts within the host, this session's and another's, at least one of each; null where not all
   * of their models can be open at once.
   * @throws RuntimeError, HostDiedError, CacheLostError
   */
  async decodeBeside(own: Lane, other: Session, others: Lane, pairing: Pairing): Promise<readonly PairedToken[] | null> {
    const sessions = [own.embedding?.session, others.embedding?.session, this, other].flatMap((session) => session ?? []);
    for (const session of sessions) await session.open();
    if (!sessions.every((session) => session.isOpen)) return null;
    const reply = await this.host.request({ type: 'pair', ...pairing, lanes: [this.lane(own), other.lane(others)] });
    if (reply.type !== 'paired') throw new RangeError(`unexpected reply ${reply.type}`);
    return reply.steps;
  }

  private lane({ token, position, inputs, feeds, cache, randoms, seen, embedding, rest }: Lane): DecodeLane {
    const embed = embedding ? { embedding: { ...embedding, session: embedding.session.id } } : {};
    const resting = rest?.session.isOpen ? { rest: { session: rest.session.id, inputs: rest.inputs } } : {};
    return { session: this.id, token, position, inputs, feeds, cache, randoms, seen, ...embed, ...resting };
  }

  private async cancellable(token: CancellationToken | undefined, request: WithoutId<HostRequest>): Promise<HostReply> {
    const throwIfCancelled = (): void => {
      if (token?.isCancellationRequested) throw new CancelledError();
    };
    throwIfCancelled();
    const watch = token?.onCancellationRequested(() => this.host.interrupt());
    try {
      return await this.holding(() => {
        throwIfCancelled();
        return this.host.request(request);
      });
    } catch (error) {
      // Work of others that dies with this has not been cancelled: only this one says so.
      throwIfCancelled();
      throw error;
    } finally {
      watch?.dispose();
    }
  }

  /** Opens the model and keeps it from being evicted while the work lasts. */
  private async holding<T>(work: () => Promise<T>): Promise<T> {
    this.running++;
    try {
      await this.open();
      return await work();
    } finally {
      this.running--;
      this.tellIdle();
    }
  }

  /** Closes the model when its last user releases it. */
  async release(): Promise<void> {
    if (--this.shares > 0) return;
    this.host.forget(this.key);
    await this.close();
  }

  share(): this {
    this.shares++;
    return this;
  }

  /** Opens the model, again if the host has died since or has evicted it. @throws RuntimeError, HostDiedError */
  async open(): Promise<void> {
    this.usedAt = this.host.nextUse();
    if (this.isOpen) return;
    await (this.opening ?? this.host.whenRoom(this, () => this.load()));
  }

  /** Opens the model where no other has to be closed for it; says whether it is open. @throws RuntimeError, HostDiedError */
  async openBeside(): Promise<boolean> {
    if (!this.held && !this.host.fits(this.bytes)) return false;
    await this.open();
    return true;
  }

  /** Takes the model out of the host's memory, after what was asked before; the next use opens it again. */
  evict(): void {
    // A host that dies has no model left to take out.
    this.close().catch(() => undefined);
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    if (this.busy) await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  private async close(): Promise<void> {
    if (!this.isOpen) return;
    this.openIn = -1;
    await this.host.request({ type: 'release', session: this.id });
  }

  /** Counts as held from the moment that room was found. */
  private async load(): Promise<void> {
    // Another use may have opened it while this one waited for room.
    if (this.isOpen) return;
    this.opening ??= this.create().finally(() => {
      this.opening = null;
      this.tellIdle();
    });
    await this.opening;
  }

  private async create(): Promise<void> {
    const reply = await this.host.request({ type: 'create', session: this.id, ...requested(this.model), options: this.options });
    if (reply.type !== 'created') throw new RangeError(`unexpected reply ${reply.type}`);
    this.openIn = this.host.currentGeneration;
    this.inputs = reply.inputs;
    this.outputs = reply.outputs;
  }

  private tellIdle(): void {
    if (!this.busy) for (const resolve of this.waiting.splice(0)) resolve();
  }
}

/** What a model needs at least: its graph and its files of weights. */
export const sourceBytes = (model: ModelSource): number => ('graph' in model ? model.graph.byteLength + model.dataBytes : modelBytes(model));

function requested(model: ModelSource): Pick<CreateRequest, 'model' | 'dataFolder'> {
  if (model instanceof Uint8Array) return { model };
  return 'path' in model ? { model: model.path } : { model: model.graph, dataFolder: model.dataFolder };
}

/** A file that has been replaced is another model. */
function versionOf(file: string): string {
  const stat = statSync(file, { throwIfNoEntry: false });
  return stat ? `${stat.ino}:${stat.size}:${stat.mtimeMs}` : 'absent';
}

/** Equal for the same model with the same options. */
export function sessionKey(model: ModelSource, { provider, optimization, threads, onDevice, memoryPattern = true }: SessionOptions): string {
  const hash = createHash('sha256');
  if (model instanceof Uint8Array) hash.update(model);
  else if ('path' in model) hash.update(`path:${model.path}:${versionOf(model.path)}`);
  else hash.update(model.graph).update(`data:${model.dataFolder}`);
  return [hash.digest('hex'), provider, optimization, threads, memoryPattern, ...(onDevice ?? [])].join(':');
}

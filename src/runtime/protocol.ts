// What the model host and its client say to each other.
import type { NormDrift } from '../shared/normDrift.ts';
import type { Sampling } from '../shared/sampling.ts';

export type TensorType = 'float32' | 'float64' | 'int64' | 'int32' | 'bool' | 'uint8' | 'int8' | 'float16';

/** A tensor as it travels between processes. */
export interface HostTensor {
  readonly type: TensorType;
  readonly dims: readonly number[];
  /** Row-major; bool as Uint8Array, float16 as Uint16Array. */
  readonly data: Float32Array | Float64Array | BigInt64Array | Int32Array | Uint8Array | Int8Array | Uint16Array;
}

export type Provider = 'cuda' | 'webgpu' | 'dml' | 'coreml' | 'cpu';

export interface SessionOptions {
  readonly provider: Provider;
  /** `disabled` starts faster, for graphs that run once. */
  readonly optimization: 'disabled' | 'all';
  /** Threads that share one op; 0: as many as there are cores. */
  readonly threads: number;
  /**
   * Outputs that are cached or carried over and stay in the device's memory between runs, where the provider can do that
   * (webgpu). Asked for by name they are copied out all the same.
   */
  readonly onDevice?: readonly string[];
  /**
   * Does the runtime plan one block of memory for all values of a run, from what the first run of those shapes took?
   * Default yes. Without it a value's memory is free as soon as no node needs it, which graphs with gradients gain from.
   */
  readonly memoryPattern?: boolean;
}

export interface CreateRequest {
  readonly type: 'create';
  readonly id: number;
  readonly session: number;
  /** The model's bytes, or the path of its file. */
  readonly model: Uint8Array | string;
  /** Where the external data of a model given as bytes lie. */
  readonly dataFolder?: string;
  readonly options: SessionOptions;
}

export interface RunRequest {
  readonly type: 'run';
  readonly id: number;
  readonly session: number;
  readonly feeds: Readonly<Record<string, HostTensor>>;
  /** Names of the outputs wanted; all if absent. */
  readonly outputs?: readonly string[];
  /** Of these outputs only the part [start, end) along axis 1 is sent; negative numbers count from the end, as in Array.slice. */
  readonly slices?: Readonly<Record<string, readonly [start: number, end?: number]>>;
  readonly cache?: CacheUse;
}

/** Tensors that stay in the host from one run to the next, so that they need not travel. A cache once written never changes. */
export interface CacheUse {
  /** The cache that inputs are taken from. */
  readonly from?: number;
  /** The cache that is made of the run's outputs. */
  readonly to?: number;
  /** The output that each cached input is taken from. */
  readonly carry: Readonly<Record<string, string>>;
  /** Caches that are needed no more once the run has succeeded. */
  readonly forget?: readonly number[];
}

/**
 * An input of a pass over one token at position p, after a cache of p positions: the token's id, p, p + 1 (`total`), or
 * a number, everywhere in its shape. Sizes may be `total` as well.
 */
export interface StepInput {
  readonly name: string;
  readonly type: TensorType;
  readonly dims: readonly (number | 'total')[];
  readonly value: 'token' | 'position' | 'total' | number;
}

/** A session that gives the same wherever one of some inputs is 0 throughout, and takes none of them. */
export interface RestingSession {
  readonly session: number;
  readonly inputs: readonly string[];
}

/** A text that is continued token by token within the host. */
export interface DecodeLane {
  readonly session: number;
  /** The last token, which has not been run yet, and its position. */
  readonly token: number;
  readonly position: number;
  readonly inputs: readonly StepInput[];
  /** Makes the input `into` from tokens, for models that take embeddings. */
  readonly embedding?: { readonly session: number; readonly input: string; readonly type: TensorType; readonly output: string; readonly into: string };
  /** What is fed beside: the same in each step if there is one, else step by step. */
  readonly feeds: readonly Readonly<Record<string, HostTensor>>[];
  readonly cache: CacheUse & { readonly from: number; readonly to: number };
  /** Runs in place of the session in the steps where it gives the same. */
  readonly rest?: RestingSession;
  /** Uniform random numbers, one for each step; none where greedy. */
  readonly randoms: readonly number[];
  /** All tokens so far, for the repetition penalty; none where there is no penalty. */
  readonly seen: readonly number[];
}

/** How tokens are chosen, and how many at once. */
export interface DecodePace {
  readonly sampling: Sampling;
  /** Decoding ends with any of these tokens, after so many steps, or when so much time has passed. */
  readonly endIds: readonly number[];
  readonly steps: number;
  readonly millis: number;
}

/** One message for many tokens. */
export interface DecodeRequest extends DecodeLane, DecodePace {
  readonly type: 'decode';
  readonly id: number;
}

/** Two texts side by side, compared at each token. */
export interface PairRequest extends DecodePace {
  readonly type: 'pair';
  readonly id: number;
  readonly lanes: readonly [DecodeLane, DecodeLane];
  /** `own`: each goes on with its own tokens; `first`: the second is led along the first one's. */
  readonly follow: 'own' | 'first';
  /** Outputs [1, positions, width] of both sessions that are compared at the last position. */
  readonly reads: readonly string[];
}

/** A token that was chosen. */
export interface DecodedToken {
  readonly id: number;
  /** log probability under the model itself: without temperature, filters and penalty. Nats; NaN where the logits are no numbers. */
  readonly logProbability: number;
}

/** Two texts at one place. */
export interface PairComparison {
  /** KL(first ‖ second) between the next-token distributions, nats. */
  readonly divergence: number;
  /** Of each of the outputs that are compared. */
  readonly drifts: readonly NormDrift[];
}

/** What both chose at one place, each from its own distribution there. */
export interface PairedToken extends PairComparison {
  readonly tokens: readonly [DecodedToken, DecodedToken];
}

/** Runs a model again and again, some of its outputs being inputs of the next run: many steps of training at one message. */
export interface IterateRequest {
  readonly type: 'iterate';
  readonly id: number;
  readonly session: number;
  /** What the carried inputs are in the first run. */
  readonly state: Readonly<Record<string, HostTensor>>;
  /** The other inputs of each run. */
  readonly steps: readonly Readonly<Record<string, HostTensor>>[];
  /** The output that each carried input is taken from. */
  readonly carry: Readonly<Record<string, string>>;
  /** Outputs wanted of every run. */
  readonly outputs: readonly string[];
}

export interface ReleaseRequest {
  readonly type: 'release';
  readonly id: number;
  readonly session: number;
}

/** The caches are needed no more. */
export interface ForgetRequest {
  readonly type: 'forget';
  readonly id: number;
  readonly caches: readonly number[];
}

/** Asks what providers this build of the runtime carries. */
export interface BackendsRequest {
  readonly type: 'backends';
  readonly id: number;
}

export type HostRequest = CreateRequest | RunRequest | DecodeRequest | PairRequest | IterateRequest | ReleaseRequest | ForgetRequest | BackendsRequest;

/** What a model says of one of its inputs or outputs. */
export interface Slot {
  readonly name: string;
  readonly type: TensorType;
  /** A size, or the name of one that is known when the model runs. */
  readonly dims: readonly (number | string)[];
}

export interface CreatedReply {
  readonly type: 'created';
  readonly id: number;
  readonly inputs: readonly Slot[];
  readonly outputs: readonly Slot[];
}

export interface RanReply {
  readonly type: 'ran';
  readonly id: number;
  readonly outputs: Readonly<Record<string, HostTensor>>;
}

export interface DecodedReply {
  readonly type: 'decoded';
  readonly id: number;
  /** At least one. The last has not been run: the cache holds everything before it. */
  readonly tokens: readonly DecodedToken[];
}

export interface PairedReply {
  readonly type: 'paired';
  readonly id: number;
  /** At least one. The last tokens have not been run. */
  readonly steps: readonly PairedToken[];
}

export interface IteratedReply {
  readonly type: 'iterated';
  readonly id: number;
  /** The carried inputs after the last run. */
  readonly state: Readonly<Record<string, HostTensor>>;
  /** The wanted outputs, run by run. */
  readonly outputs: readonly Readonly<Record<string, HostTensor>>[];
}

export interface ReleasedReply {
  readonly type: 'released';
  readonly id: number;
}

export interface ForgottenReply {
  readonly type: 'forgotten';
  readonly id: number;
}

export interface BackendsReply {
  readonly type: 'backends';
  readonly id: number;
  readonly backends: readonly { readonly name: string; readonly bundled: boolean }[];
  readonly version: string;
}

/** The request failed in the runtime; the host lives on. */
export interface FailedReply {
  readonly type: 'failed';
  readonly id: number;
  readonly message: string;
  /** A cache is asked for that this process never had: it was in one that died. */
  readonly cacheLost?: true;
}

/** The host takes requests; said once, unasked. */
export interface ReadyReply {
  readonly type: 'ready';
  readonly id: 0;
}

export type HostReply = ReadyReply | CreatedReply | RanReply | DecodedReply | PairedReply | IteratedReply | ReleasedReply | ForgottenReply | BackendsReply | FailedReply;

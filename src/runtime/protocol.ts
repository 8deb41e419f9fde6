// What the model host and its client say to each other.

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

export type HostRequest = CreateRequest | RunRequest | IterateRequest | ReleaseRequest | ForgetRequest | BackendsRequest;

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

export type HostReply = ReadyReply | CreatedReply | RanReply | IteratedReply | ReleasedReply | ForgottenReply | BackendsReply | FailedReply;

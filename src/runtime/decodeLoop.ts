// Token by token within the host: each pass takes the token that the one before chose, and the cache that it left.
import type { DecodedToken, DecodeLane, DecodePace, DecodeRequest, HostTensor, StepInput } from './protocol.ts';
import { isAtRest, without } from './rest.ts';
import { halfToFloat } from '../shared/float16.ts';
import type { Sampling } from '../shared/sampling.ts';
import { logProbabilityOf, sample } from '../shared/sampling.ts';

/** What the loop needs of the native runtime, whose tensors are T. */
export interface LoopRuntime<T> {
  tensor(type: HostTensor['type'], dims: readonly number[], data: HostTensor['data']): T;
  run(feeds: Record<string, T>): Promise<Readonly<Record<string, T>>>;
  /** Runs the session of `DecodeRequest.rest`. */
  rest(feeds: Record<string, T>): Promise<Readonly<Record<string, T>>>;
  embed(feeds: Record<string, T>): Promise<Readonly<Record<string, T>>>;
  /** A tensor of a run is needed no more. */
  free(tensor: T): void;
}

export interface RuntimeTensor {
  readonly dims: readonly number[];
  readonly data: unknown;
}

export interface Decoded<T> {
  readonly tokens: readonly DecodedToken[];
  /** The carried inputs after the last pass. */
  readonly state: Readonly<Record<string, T>>;
}

/** Decodes at least one token from a cache. */
export async function decodeTokens<T extends RuntimeTensor>(request: DecodeRequest, cache: Readonly<Record<string, T>>, runtime: LoopRuntime<T>): Promise<Decoded<T>> {
  const started = performance.now();
  const lane = new Lane(request, request.steps, cache, runtime);
  const tokens: DecodedToken[] = [];
  do tokens.push(lane.choose(lastRow(required(await lane.pass(), 'logits')), request.sampling));
  while (!isOver(request, tokens, started));
  return { tokens, state: lane.state };
}

/** Is this token the last of a message? */
export const isOver = ({ steps, endIds, millis }: DecodePace, tokens: readonly DecodedToken[], started: number): boolean =>
  tokens.length >= steps || endIds.includes(tokens.at(-1)?.id ?? Number.NaN) || performance.now() - started >= millis;

/** One text on its way: each pass runs the token that was chosen last. */
export class Lane<T extends RuntimeTensor> {
  private readonly fillers: readonly StepFiller<T>[];
  private readonly ids: StepFiller<T> | null;
  private readonly seen: number[];
  private readonly random;
  private feeds: Record<string, T>;
  private token: number;
  private step = 0;
  private resting = false;

  constructor(
    private readonly lane: DecodeLane,
    steps: number,
    cache: Readonly<Record<string, T>>,
    private readonly runtime: LoopRuntime<T>,
  ) {
    this.fillers = lane.inputs.map((input) => new StepFiller(input, lane.position + steps, runtime));
    this.ids = lane.embedding ? new StepFiller({ name: lane.embedding.input, type: lane.embedding.type, dims: [1, 1], value: 'token' }, 1, runtime) : null;
    const draws = lane.randoms.values();
    this.random = { next: (): number => draws.next().value ?? 0 };
    this.seen = [...lane.seen];
    this.feeds = { ...cache };
    this.token = lane.token;
  }

  get state(): Readonly<Record<string, T>> {
    return Object.fromEntries(Object.keys(this.lane.cache.carry).map((name) => [name, required(this.feeds, name)]));
  }

  /** The outputs after the token that was chosen last. */
  async pass(): Promise<Readonly<Record<string, T>>> {
    const { lane: { embedding, cache, position }, runtime, step } = this;
    for (const filler of this.fillers) this.feeds[filler.name] = filler.at(this.token, position + step);
    this.feedBeside();
    const { feeds } = this;
    if (embedding && this.ids) feeds[embedding.into] = required(await runtime.embed({ [this.ids.name]: this.ids.at(this.token, position + step) }), embedding.output);
    const results = await (this.resting ? runtime.rest(feeds) : runtime.run(feeds));
    for (const [input, output] of Object.entries(cache.carry)) {
      // What came with the request is the cache's, which others may go on from.
      if (step > 0) runtime.free(required(feeds, input));
      feeds[input] = required(results, output);
    }
    this.step++;
    return results;
  }

  private feedBeside(): void {
    const { lane: { feeds: beside, rest }, step } = this;
    const added = beside[step] ?? (step === 0 ? {} : undefined);
    if (!added || (step > 0 && beside.length === 1)) return;
    this.resting = rest !== undefined && isAtRest(added, rest.inputs);
    if (this.resting && rest) this.feeds = without(this.feeds, rest.inputs);
    const used = this.resting && rest ? without(added, rest.inputs) : added;
    for (const [name, { type, dims, data }] of Object.entries(used)) this.feeds[name] = this.runtime.tensor(type, dims, data);
  }

  choose(logits: ArrayLike<number>, sampling: Sampling): DecodedToken {
    return this.take(sample(logits, this.seen, sampling, this.random), logits);
  }

  /** Goes on with a token, whoever chose it. */
  take(id: number, logits: ArrayLike<number>): DecodedToken {
    this.token = id;
    if (this.seen.length > 0) this.seen.push(id);
    return { id, logProbability: logProbabilityOf(logits, id) };
  }
}

export function required<T>(tensors: Readonly<Record<string, T>>, name: string): T {
  const tensor = tensors[name];
  if (!tensor) throw new Error(`the model has no output ${name}`);
  return tensor;
}

/** Of a tensor [1, positions, width], the last position. */
export function lastRow({ dims, data }: RuntimeTensor): ArrayLike<number> {
  const width = dims.at(-1) ?? 0;
  if (data instanceof Uint16Array) return Float32Array.from(data.subarray(data.length - width), halfToFloat);
  const floats = data as Float32Array;
  return floats.length === width ? floats : floats.subarray(floats.length - width);
}

/** Makes the tensors of one input: what stays the same is made once, what grows is a part of one array. */
class StepFiller<T> {
  readonly name: string;
  private readonly data: HostTensor['data'];
  private readonly grows: boolean;
  private whole: T | null = null;

  constructor(
    private readonly input: StepInput,
    total: number,
    private readonly runtime: LoopRuntime<T>,
  ) {
    this.name = input.name;
    this.grows = input.dims.includes('total');
    const size = input.dims.reduce<number>((count, dim) => count * (dim === 'total' ? total : dim), 1);
    this.data = filled(input.type, size, typeof input.value === 'number' ? input.value : 0);
  }

  at(token: number, position: number): T {
    const { value, type, dims } = this.input;
    if (typeof value !== 'number') fill(this.data, value === 'token' ? token : value === 'position' ? position : position + 1);
    if (!this.grows) return (this.whole ??= this.runtime.tensor(type, dims as readonly number[], this.data));
    const sizes = dims.map((dim) => (dim === 'total' ? position + 1 : dim));
    return this.runtime.tensor(type, sizes, this.data.subarray(0, sizes.reduce((count, dim) => count * dim, 1)) as HostTensor['data']);
  }
}

function filled(type: HostTensor['type'], size: number, value: number): HostTensor['data'] {
  const data = arrayOf(type, size);
  fill(data, type === 'float16' && value !== 0 ? HALF_ONE : value);
  return data;
}

/** Of float16 inputs only masks are known, whose values are 0 and 1. */
const HALF_ONE = 0x3c00;

function fill(data: HostTensor['data'], value: number): void {
  if (data instanceof BigInt64Array) data.fill(BigInt(value));
  else data.fill(value);
}

function arrayOf(type: HostTensor['type'], size: number): HostTensor['data'] {
  switch (type) {
    case 'int64': return new BigInt64Array(size);
    case 'int32': return new Int32Array(size);
    case 'float32': return new Float32Array(size);
    case 'float64': return new Float64Array(size);
    case 'float16': return new Uint16Array(size);
    case 'int8': return new Int8Array(size);
    case 'bool': case 'uint8': return new Uint8Array(size);
  }
}

// Token by token within the host: each pass takes the token that the one before chose, and the cache that it left.
import type { DecodedToken, DecodeRequest, HostTensor, StepInput } from './protocol.ts';
import { isAtRest, without } from './rest.ts';
import { halfToFloat } from '../shared/float16.ts';
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

interface RuntimeTensor {
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
  const { inputs, embedding, feeds: beside, rest, sampling, endIds, steps, millis } = request;
  const started = performance.now();
  const fillers = inputs.map((input) => new StepFiller(input, request.position + steps, runtime));
  const ids = embedding ? new StepFiller({ name: embedding.input, type: embedding.type, dims: [1, 1], value: 'token' }, 1, runtime) : null;
  let feeds: Record<string, T> = { ...cache };
  let resting = false;
  const tokens: DecodedToken[] = [];
  const seen = [...request.seen];
  const draws = request.randoms.values();
  const random = { next: (): number => draws.next().value ?? 0 };
  let [token, position] = [request.token, request.position];
  for (let step = 0; ; step++, position++) {
    for (const filler of fillers) feeds[filler.name] = filler.at(token, position);
    const added = beside[step] ?? (step === 0 ? {} : undefined);
    if (added && (step === 0 || beside.length > 1)) {
      resting = rest !== undefined && isAtRest(added, rest.inputs);
      if (resting && rest) feeds = without(feeds, rest.inputs);
      for (const [name, { type, dims, data }] of Object.entries(resting && rest ? without(added, rest.inputs) : added)) feeds[name] = runtime.tensor(type, dims, data);
    }
    if (embedding && ids) feeds[embedding.into] = required(await runtime.embed({ [ids.name]: ids.at(token, position) }), embedding.output);
    const results = await (resting ? runtime.rest(feeds) : runtime.run(feeds));
    for (const [input, output] of Object.entries(request.cache.carry)) {
      // What came with the request is the cache's, which others may go on from.
      if (step > 0) runtime.free(required(feeds, input));
      feeds[input] = required(results, output);
    }
    const logits = lastRow(required(results, 'logits'));
    token = sample(logits, seen, sampling, random);
    tokens.push({ id: token, logProbability: logProbabilityOf(logits, token) });
    if (seen.length > 0) seen.push(token);
    if (tokens.length >= steps || endIds.includes(token) || performance.now() - started >= millis) break;
  }
  return { tokens, state: Object.fromEntries(Object.keys(request.cache.carry).map((name) => [name, required(feeds, name)])) };
}

function required<T>(tensors: Readonly<Record<string, T>>, name: string): T {
  const tensor = tensors[name];
  if (!tensor) throw new Error(`the model has no output ${name}`);
  return tensor;
}

/** Of logits [1, positions, vocabulary], those of the last position. */
function lastRow({ dims, data }: RuntimeTensor): ArrayLike<number> {
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

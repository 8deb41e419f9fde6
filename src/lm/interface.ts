// What a language model's graph takes and gives: token inputs, masks, positions, the cache, the logits.
import type { Graph, TensorType, ValueInfo } from '../onnx/graph.ts';
import type { HostTensor } from '../runtime/protocol.ts';

export interface TokenInput {
  readonly name: string;
  readonly type: TensorType;
}

/** One tensor of the cache: what to feed in the first step, and which output to feed back. */
export interface CacheEntry {
  readonly input: string;
  readonly output: string;
  readonly layer: number;
  /** `both`: keys and values in one tensor [2, batch, heads, past, head size]; `state`: another kind of memory. */
  readonly part: 'key' | 'value' | 'both' | 'state';
  readonly type: TensorType;
  readonly dims: readonly (number | 'batch' | 'past')[];
}

/** The model's inputs by what they are for, and its outputs. */
export interface ModelInterface {
  /** [batch, sequence]; null where the model takes embeddings. */
  readonly ids: TokenInput | null;
  /** [batch, sequence, hidden] */
  readonly embeds: TokenInput | null;
  /** [batch, past + sequence] */
  readonly attentionMask: TokenInput | null;
  /** [batch, sequence] */
  readonly positionIds: TokenInput | null;
  /** bool [1] of merged decoders: true wherever a cache (of any length) is fed. */
  readonly useCacheBranch: TokenInput | null;
  /** How many of the last positions get logits; 0: all. */
  readonly logitsToKeep: TokenInput | null;
  /** Inputs that only a certain runtime fills (seqlens_k, pixel values, …): to be fed by whoever knows them. */
  readonly others: readonly ValueInfo[];
  /** Empty where the model has no cache. */
  readonly cache: readonly CacheEntry[];
  /** Keys and values a layer, and the width of each, as the cache inputs have them; null without such inputs. */
  readonly keyValueHeads: number | null;
  readonly headSize: number | null;
  /** [batch, sequence, vocabulary] */
  readonly logits: ValueInfo;
}

export type InterfaceResult = { readonly ok: true; readonly io: ModelInterface } | { readonly ok: false; readonly message: string };

/** Sizes that a graph may leave open. */
export interface CacheSizes {
  readonly keyValueHeads?: number | undefined;
  readonly headSize?: number | undefined;
}

/** Reads the interface of a decoder; the message of a refusal says what the graph lacks. */
export function readInterface(graph: Graph, sizes: CacheSizes = {}): InterfaceResult {
  const named = (...names: string[]): TokenInput | null => graph.inputs.find(({ name }) => names.includes(name)) ?? null;
  const ids = named('input_ids');
  const embeds = named('inputs_embeds');
  const logits = graph.outputs.find(({ name }) => name === 'logits');
  if (!logits) return { ok: false, message: `it has no output “logits” (it has ${listed(graph.outputs)}), so it is no language model, or one exported without its head` };
  if (!ids && !embeds) return { ok: false, message: `it takes neither input_ids nor inputs_embeds (it takes ${listed(graph.inputs)})` };
  const cache = graph.inputs.flatMap((input) => cacheEntry(input, graph, sizes));
  const open = cache.find(({ dims }) => dims.some(Number.isNaN));
  if (open) return { ok: false, message: `its cache input ${open.input} does not say how wide it is, and neither does the configuration (num_key_value_heads, head_dim); export it with fixed sizes` };
  const rest = {
    attentionMask: named('attention_mask'), positionIds: named('position_ids'),
    useCacheBranch: named('use_cache_branch'), logitsToKeep: named('num_logits_to_keep', 'logits_to_keep'),
  };
  const known = new Set([ids, embeds, ...Object.values(rest)].map((input) => input?.name));
  const others = graph.inputs.filter(({ name }) => !known.has(name) && !cache.some(({ input }) => input === name));
  return { ok: true, io: { ids, embeds, ...rest, others, cache, ...widths(cache), logits } };
}

const listed = (values: readonly ValueInfo[]): string => {
  const names = values.map(({ name }) => name);
  return names.length > 6 ? `${names.slice(0, 6).join(', ')}, …` : names.join(', ') || 'none';
};

/** The entry that an input stands for: its name begins with “past”, and an output's with “present” instead. */
function cacheEntry(input: ValueInfo, graph: Graph, sizes: CacheSizes): CacheEntry[] {
  if (!input.name.startsWith('past')) return [];
  const wanted = [input.name.replace(/^past_key_values|^past/, 'present'), input.name.replace(/^past_key_values/, 'present_key_values')];
  const output = graph.outputs.find(({ name }) => wanted.includes(name));
  if (!output) return [];
  const part = /\bkey\b|_key_|_key$/.test(input.name.replace('past_key_values', '')) ? 'key' : /value(?!s)/.test(input.name) ? 'value' : input.dims.length === 5 ? 'both' : 'state';
  const layer = Number(/\d+/.exec(input.name)?.[0] ?? 0);
  return [{ input: input.name, output: output.name, layer, part, type: input.type, dims: cacheDims(input, sizes) }];
}

/** Where an export leaves all dimensions open, their places say what they are: [(2,) batch, heads, past, head size]; NaN: a width that nothing states. */
function cacheDims({ dims }: ValueInfo, { keyValueHeads, headSize }: CacheSizes): readonly (number | 'batch' | 'past')[] {
  const offset = dims.length === 5 ? 1 : 0;
  return dims.map((dim, axis) => {
    if (typeof dim === 'number') return dim;
    const place = axis - offset;
    if (place === 0 || /batch/.test(dim)) return 'batch';
    if (place === 1 && dims.length >= 4) return keyValueHeads ?? Number.NaN;
    return place === 3 ? (headSize ?? Number.NaN) : 'past';
  });
}

function widths(cache: readonly CacheEntry[]): Pick<ModelInterface, 'keyValueHeads' | 'headSize'> {
  const entry = cache.find(({ part }) => part !== 'state');
  const offset = entry?.part === 'both' ? 1 : 0;
  const at = (axis: number): number | null => {
    const dim = entry?.dims[axis + offset];
    return typeof dim === 'number' ? dim : null;
  };
  return { keyValueHeads: at(1), headSize: at(3) };
}

/** The cache before the first token: every entry with no positions. */
export function emptyCache({ cache }: ModelInterface, batch: number): Record<string, HostTensor> {
  return Object.fromEntries(cache.map(({ input, type, dims }) => {
    const sizes = dims.map((dim) => (dim === 'batch' ? batch : dim === 'past' ? 0 : dim));
    const count = sizes.reduce((size, dim) => size * dim, 1);
    return [input, { type, dims: sizes, data: zeros(type, count) }] as const;
  }));
}

function zeros(type: TensorType, count: number): HostTensor['data'] {
  switch (type) {
    case 'float32': return new Float32Array(count);
    case 'float64': return new Float64Array(count);
    case 'float16': return new Uint16Array(count);
    case 'int64': return new BigInt64Array(count);
    case 'int32': return new Int32Array(count);
    case 'int8': return new Int8Array(count);
    case 'uint8': case 'bool': return new Uint8Array(count);
  }
}

/** Integers as the type that an input takes. */
export function integers(type: TensorType, dims: readonly number[], values: readonly number[]): HostTensor {
  if (type === 'int32') return { type, dims, data: Int32Array.from(values) };
  if (type === 'bool') return { type, dims, data: Uint8Array.from(values) };
  if (type === 'float32') return { type, dims, data: Float32Array.from(values) };
  return { type: 'int64', dims, data: BigInt64Array.from(values, BigInt) };
}

/**
 * What a first run on whole, equally long sequences needs, without embeddings.
 * @param ids token ids, [batch][sequence]
 */
export function promptFeeds(io: ModelInterface, ids: readonly (readonly number[])[]): Record<string, HostTensor> {
  const dims = [ids.length, ids[0]?.length ?? 0];
  const feeds = emptyCache(io, ids.length);
  const put = (input: TokenInput | null, shape: readonly number[], values: readonly number[]): void => {
    if (input) feeds[input.name] = integers(input.type, shape, values);
  };
  put(io.ids, dims, ids.flat());
  put(io.attentionMask, dims, ids.flat().map(() => 1));
  put(io.positionIds, dims, ids.flatMap((row) => row.map((_, i) => i)));
  put(io.useCacheBranch, [1], [1]);
  put(io.logitsToKeep, [], [0]);
  return feeds;
}

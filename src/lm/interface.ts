// What a language model's graph takes and gives: token inputs, masks, positions, the cache, the logits; and the tensors
// that a pass feeds. The one place that knows these names.
import type { Dimension, Graph, TensorType, ValueInfo } from '../onnx/graph.ts';
import type { HostTensor, StepInput } from '../runtime/protocol.ts';

export interface TokenInput {
  readonly name: string;
  readonly type: TensorType;
  readonly dims: readonly Dimension[];
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

/** Inputs by what they are for; null where the model lacks one. */
export interface TokenInputs {
  /** [batch, sequence]; null where the model takes embeddings. */
  readonly ids: TokenInput | null;
  /** [batch, sequence, hidden] */
  readonly embeds: TokenInput | null;
  /** [batch, past + sequence] */
  readonly attentionMask: TokenInput | null;
  /** [batch, sequence], or [3, batch, sequence] with a time, a row and a column, all the same for text. */
  readonly positionIds: TokenInput | null;
  /** [sequence]: the places in the cache that a pass fills. */
  readonly cachePosition: TokenInput | null;
  /** [batch, sequence] */
  readonly tokenTypeIds: TokenInput | null;
  /** bool [1] of merged decoders: does the cache hold anything? Without it they run the branch for prompts. */
  readonly useCacheBranch: TokenInput | null;
  /** How many of the last positions get logits; 0: all. */
  readonly logitsToKeep: TokenInput | null;
  /** [batch] or [batch, 1]: the tokens of each row without the last one. */
  readonly rowLengths: TokenInput | null;
  /** A scalar or [1]: past + sequence. */
  readonly totalLength: TokenInput | null;
}

/** The model's inputs by what they are for, and its outputs. */
export interface ModelInterface extends TokenInputs {
  /** Inputs that nothing here fills (pixel values, steering strengths, …): to be fed by whoever knows them. */
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
  readonly keyValueHeads?: number | null | undefined;
  readonly headSize?: number | null | undefined;
}

const inputNames: Readonly<Record<keyof TokenInputs, readonly string[]>> = {
  ids: ['input_ids'],
  embeds: ['inputs_embeds'],
  attentionMask: ['attention_mask'],
  positionIds: ['position_ids'],
  cachePosition: ['cache_position'],
  tokenTypeIds: ['token_type_ids'],
  useCacheBranch: ['use_cache_branch'],
  logitsToKeep: ['num_logits_to_keep', 'logits_to_keep'],
  rowLengths: ['seqlens_k', 'past_seq_len', 'past_sequence_length'],
  totalLength: ['total_sequence_length', 'total_seq_len'],
};

/** Reads the interface of a decoder; the message of a refusal says what the graph lacks. */
export function readInterface(graph: Graph, sizes: CacheSizes = {}): InterfaceResult {
  const named = (role: keyof TokenInputs): TokenInput | null => graph.inputs.find(({ name }) => inputNames[role].includes(name)) ?? null;
  const roles = Object.keys(inputNames) as (keyof TokenInputs)[];
  const tokens = Object.fromEntries(roles.map((role) => [role, named(role)])) as unknown as TokenInputs;
  const logits = graph.outputs.find(({ name }) => name === 'logits');
  if (!logits) return { ok: false, message: `it has no output “logits” (it has ${listed(graph.outputs)}), so it is no language model, or one exported without its head` };
  if (!tokens.ids && !tokens.embeds) return { ok: false, message: `it takes neither input_ids nor inputs_embeds (it takes ${listed(graph.inputs)})` };
  const known = new Set(roles.flatMap((role) => inputNames[role]));
  const cache = graph.inputs.filter(({ name }) => !known.has(name)).flatMap((input) => cacheEntry(input, graph, sizes));
  const open = cache.find(({ dims }) => dims.some(Number.isNaN));
  if (open) return { ok: false, message: `its cache input ${open.input} does not say how wide it is, and neither does the configuration (num_key_value_heads, head_dim); export it with fixed sizes` };
  const others = graph.inputs.filter(({ name }) => !known.has(name) && !cache.some(({ input }) => input === name));
  return { ok: true, io: { ...tokens, others, cache, ...widths(cache), logits } };
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

/** The output that each cached input is taken from. */
export const cacheCarry = ({ cache }: ModelInterface): Readonly<Record<string, string>> => Object.fromEntries(cache.map(({ input, output }) => [input, output]));

/** The cache before the first token: every entry with no positions. */
export function emptyCache({ cache }: ModelInterface, batch: number): Record<string, HostTensor> {
  return Object.fromEntries(cache.map(({ input, type, dims }) => {
    const sizes = dims.map((dim) => (dim === 'batch' ? batch : dim === 'past' ? 0 : dim));
    const count = sizes.reduce((size, dim) => size * dim, 1);
    return [input, integers(type, sizes, new Array<number>(count).fill(0))] as const;
  }));
}

/** GroupQueryAttention reads only how many tokens a row has, so padding must come after them. */
export const needsRightPadding = ({ nodes }: Pick<Graph, 'nodes'>): boolean => nodes.some(({ op }) => op === 'GroupQueryAttention');

const HALF_ONE = 0x3c00;

/** Integers as the type that an input takes; of float16 only 0 and what is not 0, as 1. */
export function integers(type: TensorType, dims: readonly number[], values: readonly number[]): HostTensor {
  switch (type) {
    case 'int64': return { type, dims, data: BigInt64Array.from(values, BigInt) };
    case 'int32': return { type, dims, data: Int32Array.from(values) };
    case 'bool': case 'uint8': return { type, dims, data: Uint8Array.from(values) };
    case 'int8': return { type, dims, data: Int8Array.from(values) };
    case 'float16': return { type, dims, data: Uint16Array.from(values, (value) => (value === 0 ? 0 : HALF_ONE)) };
    case 'float32': return { type, dims, data: Float32Array.from(values) };
    case 'float64': return { type, dims, data: Float64Array.from(values) };
  }
}

/** One pass over a rectangle of tokens. */
export interface TokenPass {
  /** Token ids, [batch][sequence]; every row has the same length. */
  readonly ids: readonly (readonly number[])[];
  /** 1 for a token, 0 for padding, [batch][past + sequence]; all 1 if absent. */
  readonly mask?: readonly (readonly number[])[] | undefined;
  /** How many positions the cache holds. */
  readonly past: number;
  /** How many of the last positions need logits, where the model can be told; 0: all. */
  readonly keep?: number;
}

/** What a pass feeds to a decoder beside its cache, its embeddings and the inputs that only others know. */
export function passFeeds(io: TokenInputs, { ids, mask, past, keep = 0 }: TokenPass): Record<string, HostTensor> {
  const [batch, length] = [ids.length, ids[0]?.length ?? 0];
  const total = past + length;
  const present = mask ?? ids.map(() => new Array<number>(total).fill(1));
  const feeds: Record<string, HostTensor> = {};
  const put = (input: TokenInput | null, dims: readonly number[], values: () => readonly number[]): void => {
    if (input) feeds[input.name] = integers(input.type, dims, values());
  };
  put(io.ids, [batch, length], () => ids.flat());
  put(io.attentionMask, [batch, total], () => present.flat());
  const threefold = io.positionIds?.dims.length === 3;
  put(io.positionIds, threefold ? [3, batch, length] : [batch, length], () => {
    const rows = present.flatMap((row) => positionsOf(row).slice(total - length));
    return threefold ? [...rows, ...rows, ...rows] : rows;
  });
  put(io.cachePosition, [length], () => Array.from({ length }, (_, i) => past + i));
  put(io.tokenTypeIds, [batch, length], () => ids.flat().map(() => 0));
  put(io.useCacheBranch, [1], () => [past > 0 ? 1 : 0]);
  put(io.logitsToKeep, ones(io.logitsToKeep), () => [keep]);
  put(io.rowLengths, [batch, 1].slice(0, io.rowLengths?.dims.length), () => present.map((row) => row.reduce((sum, one) => sum + one, 0) - 1));
  put(io.totalLength, ones(io.totalLength), () => [total]);
  return feeds;
}

const ones = (input: TokenInput | null): number[] => (input?.dims ?? []).map(() => 1);

/** Positions count the tokens of a row, not its padding. */
function positionsOf(row: readonly number[]): number[] {
  let count = -1;
  return row.map((one) => Math.max(0, (count += one)));
}

/** The same for passes of one token after a cache, as the host makes them by itself: see `StepInput`. */
export function stepInputs(io: TokenInputs): readonly StepInput[] {
  const inputs: StepInput[] = [];
  const put = (input: TokenInput | null, dims: StepInput['dims'], value: StepInput['value']): void => {
    if (input) inputs.push({ name: input.name, type: input.type, dims, value });
  };
  put(io.ids, [1, 1], 'token');
  put(io.attentionMask, [1, 'total'], 1);
  put(io.positionIds, io.positionIds?.dims.length === 3 ? [3, 1, 1] : [1, 1], 'position');
  put(io.cachePosition, [1], 'position');
  put(io.tokenTypeIds, [1, 1], 0);
  put(io.useCacheBranch, [1], 1);
  put(io.logitsToKeep, ones(io.logitsToKeep), 1);
  put(io.rowLengths, ones(io.rowLengths), 'position');
  put(io.totalLength, ones(io.totalLength), 'total');
  return inputs;
}

/** What a first run on whole, equally long sequences needs, without embeddings. */
export const promptFeeds = (io: ModelInterface, ids: TokenPass['ids'], mask?: TokenPass['mask']): Record<string, HostTensor> =>
  ({ ...emptyCache(io, ids.length), ...passFeeds(io, { ids, mask, past: 0 }) });

// A decoder in the model host: its inputs found by name from the model itself, its cache kept beside it.
import { decodeModel } from '../onnx/decode.ts';
import { openModelFile } from '../onnx/file.ts';
import { runnableModel } from './runnableModel.ts';
import type { GraphNode } from '../onnx/graph.ts';
import type { ModelHost, ModelSource, Session } from '../runtime/client.ts';
import type { CacheUse, HostTensor, SessionOptions, Slot, TensorType } from '../runtime/protocol.ts';

export type Feeds = Readonly<Record<string, HostTensor>>;

/** Why a model cannot be used as a decoder, or a prompt not be continued; the message says what to do. */
export interface LanguageModelFault {
  readonly code: 'noDecoder' | 'cacheWidth' | 'noEmbedding' | 'missingInput' | 'emptyPrompt' | 'promptTooLong' | 'unknownToken' | 'notANumber' | 'unscored';
  readonly message: string;
}

/** A fault of the input that is met in the middle of work. */
export class LanguageModelError extends Error {
  override readonly name = 'LanguageModelError';
  constructor(readonly fault: LanguageModelFault) {
    super(fault.message);
  }
}

export type OpenedDecoder = { readonly ok: true; readonly decoder: Decoder } | { readonly ok: false; readonly fault: LanguageModelFault };

/** One pass of a decoder over a rectangle of tokens. */
export interface DecoderPass {
  /** Token ids, [batch][sequence]; every row has the same length. */
  readonly ids: readonly (readonly number[])[];
  /** 1 for a token, 0 for padding, [batch][past + sequence]; all 1 if absent. */
  readonly mask?: readonly (readonly number[])[];
  /** How many positions the cache holds. */
  readonly past: number;
  /** Without it nothing is kept, and nothing past can be used. */
  readonly cache?: { readonly from: number | null; readonly to: number };
  /** Inputs that the model has beyond a decoder's, and replacements for the ones that are computed here. */
  readonly feeds?: Feeds;
  /** Positions of this pass whose logits are wanted, [start, end) as in Array.slice. */
  readonly positions: readonly [start: number, end?: number];
}

interface CacheSlot {
  readonly input: Slot;
  readonly output: string;
}

const rowLengths = new Set(['seqlens_k', 'past_seq_len', 'past_sequence_length']);
const totalLengths = new Set(['total_sequence_length', 'total_seq_len']);
const keptLogits = new Set(['num_logits_to_keep', 'logits_to_keep']);

export interface DecoderModel {
  readonly model: ModelSource;
  /** `embed_tokens` of models that take `inputs_embeds`. */
  readonly embedding?: Uint8Array | { readonly path: string } | undefined;
  readonly options?: Partial<SessionOptions>;
}

/** Opens a decoder. @throws RuntimeError where the runtime refuses the file. */
export async function openDecoder(host: ModelHost, { model, embedding, options = {} }: DecoderModel): Promise<OpenedDecoder> {
  const session = await host.createSession(runnableModel(model), options);
  try {
    const embed = embedding ? await host.createSession(embedding, options) : null;
    const fault = faultOf(session, embed);
    if (!fault) return { ok: true, decoder: new Decoder(host, session, embed) };
    await embed?.release();
    await session.release();
    return { ok: false, fault };
  } catch (error) {
    await session.release();
    throw error;
  }
}

function faultOf(session: Session, embed: Session | null): LanguageModelFault | null {
  const { inputNames, outputNames } = session;
  const had = `It takes ${inputNames.slice(0, 6).join(', ')} and gives ${outputNames.slice(0, 6).join(', ')}.`;
  if (!outputNames.includes('logits')) return { code: 'noDecoder', message: `The model is no decoder: it has no output “logits”. ${had} Give a model exported for text generation.` };
  if (inputNames.includes('input_ids')) return widthFault(session);
  if (!inputNames.includes('inputs_embeds')) return { code: 'noDecoder', message: `The model is no decoder: it takes neither input_ids nor inputs_embeds. ${had} Give a model exported for text generation.` };
  if (!embed) return { code: 'noEmbedding', message: 'The model takes inputs_embeds: give the embed_tokens model that lies beside it too.' };
  return widthFault(session);
}

function widthFault(session: Session): LanguageModelFault | null {
  const open = cacheSlots(session).find(({ input }) => emptyDims(input, 1).some((dim) => Number.isNaN(dim)));
  return open ? { code: 'cacheWidth', message: `The cache input ${open.input.name} [${open.input.dims.join(', ')}] does not say how wide it is. Export the model with fixed numbers of heads and of their channels.` } : null;
}

function cacheSlots({ inputs, outputNames }: Session): CacheSlot[] {
  return inputs.filter(({ name }) => name.startsWith('past')).flatMap((input) => {
    const names = [input.name.replace(/^past(_key_values)?/, 'present'), input.name.replace(/^past/, 'present')];
    const output = names.find((name) => outputNames.includes(name));
    return output === undefined ? [] : [{ input, output }];
  });
}

/** [batch, heads, past, channels], [2, batch, heads, past, channels] or a state of a fixed size; NaN where a width is open. */
function emptyDims({ dims }: Slot, batch: number): number[] {
  const first = dims.length === 5 ? 1 : 0;
  return dims.map((dim, axis) => {
    if (typeof dim === 'number') return dim >= 0 ? dim : Number.NaN;
    if (axis === first || /batch/.test(dim)) return batch;
    return axis === first + 2 || /past|seq|length/.test(dim) ? 0 : Number.NaN;
  });
}

/** An open decoder. Passes of several streams may be mixed: each names the cache it goes on from. */
export class Decoder {
  private readonly cacheInputs: readonly CacheSlot[];
  private readonly carry: Readonly<Record<string, string>>;
  private fused: boolean | null = null;

  constructor(
    readonly host: ModelHost,
    private readonly session: Session,
    private readonly embed: Session | null,
  ) {
    this.cacheInputs = cacheSlots(session);
    this.carry = Object.fromEntries(this.cacheInputs.map(({ input, output }) => [input.name, output]));
  }

  /** Can passes go on from what earlier ones left? */
  get hasCache(): boolean {
    return this.cacheInputs.length > 0;
  }

  /** Size of the vocabulary, where the model states it. */
  get vocabularySize(): number | null {
    const size = this.session.outputs.find(({ name }) => name === 'logits')?.dims.at(-1);
    return typeof size === 'number' ? size : null;
  }

  /** GroupQueryAttention reads only how many tokens a row has, so padding must come after them. */
  needsRightPadding(): boolean {
    this.fused ??= hasGroupQueryAttention(this.session.model);
    return this.fused;
  }

  /**
   * The logits [batch, positions, vocabulary] of a pass, as float32.
   * @throws LanguageModelError, RuntimeError, HostDiedError, CacheLostError
   */
  async run(pass: DecoderPass): Promise<HostTensor & { readonly data: Float32Array }> {
    const feeds = await this.feedsOf(pass);
    const cache: CacheUse | undefined = pass.cache && this.hasCache
      ? { ...(pass.cache.from === null ? {} : { from: pass.cache.from }), to: pass.cache.to, carry: this.carry }
      : undefined;
    // A model that is told to keep the last position's logits gives only those.
    const { logits } = await this.session.run(feeds, { outputs: ['logits'], slices: { logits: pass.positions }, ...(cache ? { cache } : {}) });
    if (!logits) throw new RangeError('the run gave no logits');
    return { ...logits, type: 'float32', data: asFloats(logits) };
  }

  private async feedsOf(pass: DecoderPass): Promise<Feeds> {
    const known: Record<string, HostTensor> = {};
    for (const slot of this.session.inputs) {
      const tensor = pass.feeds?.[slot.name] ?? this.computed(slot, pass);
      if (tensor) known[slot.name] = tensor;
    }
    if (this.session.inputNames.includes('inputs_embeds') && !known['inputs_embeds']) known['inputs_embeds'] = await this.embedded(pass);
    const cached = pass.cache && pass.cache.from !== null ? this.carry : {};
    const missing = this.session.inputNames.find((name) => !Object.hasOwn(known, name) && !Object.hasOwn(cached, name));
    if (missing === undefined) return known;
    throw new LanguageModelError({ code: 'missingInput', message: `The model wants an input “${missing}” that text generation does not know. Give it among the feeds.` });
  }

  private async embedded({ ids }: DecoderPass): Promise<HostTensor> {
    const slot = this.embed?.inputs[0];
    const output = this.embed?.outputNames[0];
    if (!this.embed || !slot || output === undefined) throw new LanguageModelError({ code: 'noEmbedding', message: 'The model takes inputs_embeds: give the embed_tokens model that lies beside it too.' });
    const tensor = (await this.embed.run({ [slot.name]: integers(slot.type, [ids.length, ids[0]?.length ?? 0], ids.flat()) }, { outputs: [output] }))[output];
    if (!tensor) throw new RangeError('the embedding gave nothing');
    return tensor;
  }

  private computed(slot: Slot, pass: DecoderPass): HostTensor | null {
    const { name, type } = slot;
    const { ids, past } = pass;
    const [batch, length] = [ids.length, ids[0]?.length ?? 0];
    const total = past + length;
    const mask = pass.mask ?? ids.map(() => new Array<number>(total).fill(1));
    if (name === 'input_ids') return integers(type, [batch, length], ids.flat());
    if (name === 'attention_mask') return integers(type, [batch, total], mask.flat());
    if (name === 'position_ids') return positionIds(slot, mask, length);
    if (name === 'cache_position') return integers(type, [length], Array.from({ length }, (_, i) => past + i));
    if (name === 'token_type_ids') return integers(type, [batch, length], ids.flat().map(() => 0));
    if (name === 'use_cache_branch') return integers(type, [1], [past > 0 ? 1 : 0]);
    if (keptLogits.has(name)) return integers(type, slot.dims.map(() => 1), [pass.positions[0] === -1 ? 1 : 0]);
    if (rowLengths.has(name)) return integers(type, slot.dims.map((dim, axis) => (axis === 0 ? batch : Number(dim) || 1)), mask.map((row) => row.reduce((sum, one) => sum + one, 0) - 1));
    if (totalLengths.has(name)) return integers(type, slot.dims.map(() => 1), [total]);
    const cached = pass.cache && pass.cache.from !== null ? undefined : this.cacheInputs.find(({ input }) => input.name === name);
    return cached ? zeros(cached.input, emptyDims(cached.input, batch)) : null;
  }

  async release(): Promise<void> {
    await this.embed?.release();
    await this.session.release();
  }
}

/** Positions count the tokens of a row, not its padding. A model with three kinds of positions gets the same for each. */
function positionIds({ type, dims }: Slot, mask: readonly (readonly number[])[], length: number): HostTensor {
  const rows = mask.flatMap((row) => {
    let count = -1;
    return row.map((one) => Math.max(0, (count += one))).slice(row.length - length);
  });
  return dims.length === 3 ? integers(type, [3, mask.length, length], [...rows, ...rows, ...rows]) : integers(type, [mask.length, length], rows);
}

function integers(type: TensorType, dims: readonly number[], values: readonly number[]): HostTensor {
  switch (type) {
    case 'int64': return { type, dims, data: BigInt64Array.from(values, BigInt) };
    case 'int32': return { type, dims, data: Int32Array.from(values) };
    case 'bool': case 'uint8': return { type, dims, data: Uint8Array.from(values) };
    case 'float16': return { type, dims, data: Uint16Array.from(values, (value) => (value === 0 ? 0 : 0x3c00)) };
    default: return { type: 'float32', dims, data: Float32Array.from(values) };
  }
}

function zeros({ type }: Slot, dims: readonly number[]): HostTensor {
  const count = dims.reduce((size, dim) => size * dim, 1);
  return integers(type, dims, new Array<number>(count).fill(0));
}

/** float16 has 1 sign bit, 5 of the exponent and 10 of the fraction (IEEE 754 binary16). */
function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function asFloats({ type, data }: HostTensor): Float32Array {
  if (data instanceof Float32Array) return data;
  if (type !== 'float16') return Float32Array.from(data as Float64Array);
  return Float32Array.from(data instanceof Uint16Array ? Array.from(data, halfToFloat) : (data as unknown as Float64Array));
}

function hasGroupQueryAttention(model: ModelSource): boolean {
  const nodes = nodesOf(model);
  // A graph that cannot be read may hold the operator.
  return !nodes || nodes.some(({ op }) => op === 'GroupQueryAttention');
}

function nodesOf(model: ModelSource): readonly GraphNode[] | null {
  if (!(model instanceof Uint8Array) && 'path' in model) {
    const opened = openModelFile(model.path);
    return opened.ok ? opened.file.graph.nodes : null;
  }
  const decoded = decodeModel(model instanceof Uint8Array ? model : model.graph, 'the model');
  return decoded.ok ? decoded.graph.nodes : null;
}

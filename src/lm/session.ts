// A decoder in the model host: passes over tokens or embeddings, with its cache kept beside it.
import type { CacheSizes, ModelInterface, TokenPass } from './interface.ts';
import { cacheCarry, emptyCache, integers, needsRightPadding, passFeeds, readInterface, stepInputs } from './interface.ts';
import type { RestingModel } from './resting.ts';
import { Resting } from './resting.ts';
import { runnableModel } from './runnableModel.ts';
import type { Graph } from '../onnx/graph.ts';
import type { Decoding, Lane, ModelHost, ModelSource, Pairing, Session } from '../runtime/client.ts';
import type { CacheUse, DecodedToken, HostTensor, PairedToken, SessionOptions } from '../runtime/protocol.ts';
import { isAtRest, without } from '../runtime/rest.ts';
import { floatToHalf, halfToFloat } from '../shared/float16.ts';

export type Feeds = Readonly<Record<string, HostTensor>>;

/** Why a model cannot be used as a decoder, or a prompt not be continued; the message says what to do. */
export interface LanguageModelFault {
  readonly code: 'noDecoder' | 'noEmbedding' | 'missingInput' | 'emptyPrompt' | 'promptTooLong' | 'unknownToken' | 'notANumber' | 'unscored' | 'noVision' | 'badImage';
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

/** Rows that take the place of tokens' embeddings: of an image, for example. */
export interface EmbeddingRows {
  /** The first token that is replaced: of the pass where a pass holds them, else of the text. */
  readonly at: number;
  /** [rows, hidden] */
  readonly rows: Float32Array;
  readonly width: number;
  /** Row of the batch; 0 if absent. */
  readonly batch?: number;
}

/** One pass of a decoder over a rectangle of tokens. */
export interface DecoderPass extends Omit<TokenPass, 'keep'> {
  /** Without it nothing is kept, and nothing past can be used. */
  readonly cache?: { readonly from: number | null; readonly to: number; readonly forget?: readonly number[] };
  /** Inputs that the model has beyond a decoder's, and replacements for the ones that are computed here. */
  readonly feeds?: Feeds;
  /** Embeddings that are not those of the tokens. */
  readonly embeddings?: readonly EmbeddingRows[];
  /** Positions of this pass whose logits are wanted, [start, end) as in Array.slice. */
  readonly positions: readonly [start: number, end?: number];
  /** Outputs that are wanted beside, at the same positions: what `readSites` adds. */
  readonly reads?: readonly string[];
}

/** float32 [batch, positions, vocabulary], and for reads the width of their site. */
export type FloatTensor = HostTensor & { readonly data: Float32Array };

export interface PassResult {
  readonly logits: FloatTensor;
  readonly reads: Readonly<Record<string, FloatTensor>>;
}

/** A text to be continued within the host: see `DecodeLane`. */
export type DecodeText = Omit<Lane, 'inputs' | 'embedding' | 'rest' | 'cache'> & { readonly cache: Omit<CacheUse, 'carry'> & { readonly from: number; readonly to: number } };

/** A step of decoding within the host: see `DecodeRequest`. */
export type DecodeStep = DecodeText & Pick<Decoding, 'sampling' | 'endIds' | 'steps' | 'millis'>;

export interface DecoderModel {
  readonly graph: Graph;
  /** How the runtime gets the graph. */
  readonly source: ModelSource;
  /** Sizes of the cache that the graph leaves open. */
  readonly sizes?: CacheSizes;
  /** `embed_tokens` of models that take `inputs_embeds`. */
  readonly embedding?: ModelSource | undefined;
  readonly rest?: RestingModel | undefined;
  readonly options?: Partial<SessionOptions>;
}

/** Opens a decoder. @throws RuntimeError where the runtime refuses the file. */
export async function openDecoder(host: ModelHost, { graph, source, sizes, embedding, rest, options = {} }: DecoderModel): Promise<OpenedDecoder> {
  const read = readInterface(graph, sizes);
  if (!read.ok) return { ok: false, fault: { code: 'noDecoder', message: `The model is no decoder: ${read.message}. Give a model exported for text generation.` } };
  if (!read.io.ids && !embedding) return { ok: false, fault: { code: 'noEmbedding', message: NO_EMBEDDING } };
  // The cache never has to leave the device.
  const onDevice = { ...options, onDevice: read.io.cache.map(({ output }) => output) };
  const session = await host.createSession(runnableModel(source), onDevice);
  try {
    const embed = embedding && !read.io.ids ? await host.createSession(embedding, options) : null;
    return { ok: true, decoder: new Decoder(host, session, embed, read.io, graph, rest ? new Resting(host, rest, onDevice) : null) };
  } catch (error) {
    await session.release();
    throw error;
  }
}

const NO_EMBEDDING = 'The model takes inputs_embeds: put the embed_tokens model that belongs to it beside it.';

/** An open decoder. Passes of several streams may be mixed: each names the cache it goes on from. */
export class Decoder {
  private readonly carry: Readonly<Record<string, string>>;

  constructor(
    readonly host: ModelHost,
    private readonly session: Session,
    private readonly embed: Session | null,
    readonly io: ModelInterface,
    private readonly graph: Graph,
    private readonly resting: Resting | null = null,
  ) {
    this.carry = cacheCarry(io);
  }

  /** Can passes go on from what earlier ones left? */
  get hasCache(): boolean {
    return this.io.cache.length > 0;
  }

  /** Can tokens be decoded within the host? */
  get decodesInHost(): boolean {
    return this.hasCache && (!this.embed || this.embed.outputs[0]?.type === this.io.embeds?.type);
  }

  /** Does the model take embeddings in place of tokens? */
  get takesEmbeddings(): boolean {
    return this.embed !== null;
  }

  /** Size of the vocabulary, where the model states it. */
  get vocabularySize(): number | null {
    const size = this.io.logits.dims.at(-1);
    return typeof size === 'number' ? size : null;
  }

  needsRightPadding(): boolean {
    return needsRightPadding(this.graph);
  }

  /**
   * Logits and reads of a pass, as float32.
   * @throws LanguageModelError, RuntimeError, HostDiedError, CacheLostError
   */
  async run(pass: DecoderPass): Promise<PassResult> {
    const { reads = [], positions } = pass;
    const wanted = ['logits', ...reads];
    const feeds = await this.feedsOf(pass);
    const cache = pass.cache && this.hasCache ? { cache: this.cacheUse(pass.cache) } : {};
    const rest = await this.resting?.for(feeds);
    const session = rest && wanted.every((name) => rest.outputNames.includes(name)) ? rest : this.session;
    const used = session === this.session ? feeds : without(feeds, this.resting?.inputs ?? []);
    const results = await session.run(used, { outputs: wanted, slices: Object.fromEntries(wanted.map((name) => [name, positions])), ...cache });
    const floats = (name: string): FloatTensor => {
      const tensor = results[name];
      if (!tensor) throw new RangeError(`the run gave no ${name}`);
      return { ...tensor, type: 'float32', data: asFloats(tensor) };
    };
    return { logits: floats('logits'), reads: Object.fromEntries(reads.map((name) => [name, floats(name)])) };
  }

  private cacheUse({ from, to, forget = [] }: NonNullable<DecoderPass['cache']>): CacheUse {
    return { ...(from === null ? {} : { from }), to, carry: this.carry, forget };
  }

  /** Goes on from a cache, token by token within the host. @throws RuntimeError, HostDiedError, CacheLostError */
  async decode(step: DecodeStep): Promise<readonly DecodedToken[]> {
    return this.session.decode({ ...step, ...(await this.lane(step)) });
  }

  /**
   * Goes on from a cache beside another decoder, which goes on from its own; null where they cannot be open together.
   * @throws RuntimeError, HostDiedError, CacheLostError
   */
  async decodeBeside(own: DecodeText, other: Decoder, others: DecodeText, pairing: Pairing): Promise<readonly PairedToken[] | null> {
    if (other.host !== this.host) return null;
    const [lane, beside] = [await this.lane(own, pairing.reads), await other.lane(others, pairing.reads)];
    return this.session.decodeBeside(lane, other.session, beside, pairing);
  }

  private async lane(text: DecodeText, reads: readonly string[] = []): Promise<Lane> {
    const inputs = stepInputs(this.io);
    this.refuseMissing([...inputs.map(({ name }) => name), ...Object.keys(this.carry), ...Object.keys(text.feeds[0] ?? {}), ...(this.io.embeds && this.embed ? [this.io.embeds.name] : [])]);
    const embedding = this.embed && this.io.embeds ? { embedding: { session: this.embed, ...embeddingNames(this.embed), into: this.io.embeds.name } } : {};
    const rest = await this.restFor(text.feeds, reads);
    return { ...text, inputs, ...embedding, ...rest, cache: { ...text.cache, carry: this.carry } };
  }

  private async restFor(steps: readonly Feeds[], reads: readonly string[]): Promise<Pick<Lane, 'rest'>> {
    const { resting } = this;
    const atRest = resting ? steps.find((feeds) => isAtRest(feeds, resting.inputs)) : undefined;
    const session = atRest ? await resting?.for(atRest) : null;
    return session && reads.every((name) => session.outputNames.includes(name)) ? { rest: { session, inputs: resting?.inputs ?? [] } } : {};
  }

  private async feedsOf(pass: DecoderPass): Promise<Feeds> {
    const { io } = this;
    const keep = pass.positions[0] === -1 && pass.positions[1] === undefined ? 1 : 0;
    const known: Record<string, HostTensor> = passFeeds(io, { ...pass, keep });
    const cached = pass.cache && pass.cache.from !== null ? Object.keys(this.carry) : [];
    if (cached.length === 0) Object.assign(known, emptyCache(io, pass.ids.length));
    Object.assign(known, pass.feeds);
    if (io.embeds && this.embed && !known[io.embeds.name]) known[io.embeds.name] = await this.embedded(pass, io.embeds.type);
    this.refuseMissing([...Object.keys(known), ...cached]);
    return known;
  }

  private refuseMissing(given: readonly string[]): void {
    const missing = this.session.inputNames.find((name) => !given.includes(name));
    if (missing !== undefined) throw new LanguageModelError({ code: 'missingInput', message: `The model wants an input “${missing}” that text generation does not know. Give it among the feeds.` });
  }

  private async embedded({ ids: given, embeddings = [] }: DecoderPass, type: HostTensor['type']): Promise<HostTensor> {
    // An image's token need not be one that the embedding knows.
    const ids = given.map((row, b) => row.map((id, i) => (covers(embeddings, i, b) ? 0 : id)));
    if (!this.embed) throw new LanguageModelError({ code: 'noEmbedding', message: NO_EMBEDDING });
    const names = embeddingNames(this.embed);
    const tensor = (await this.embed.run({ [names.input]: integers(names.type, [ids.length, ids[0]?.length ?? 0], ids.flat()) }, { outputs: [names.output] }))[names.output];
    if (!tensor) throw new RangeError('the embedding gave nothing');
    if (embeddings.length === 0 && tensor.type === type) return tensor;
    const data = Float32Array.from(asFloats(tensor));
    for (const { at, rows, width, batch = 0 } of embeddings) data.set(rows, (batch * (ids[0]?.length ?? 0) + at) * width);
    return { type, dims: tensor.dims, data: type === 'float16' ? Uint16Array.from(data, floatToHalf) : data };
  }

  async release(): Promise<void> {
    await this.embed?.release();
    await this.resting?.release();
    await this.session.release();
  }
}

/** Does one of the rows stand at this place? */
export const covers = (embeddings: readonly EmbeddingRows[], place: number, row = 0): boolean =>
  embeddings.some(({ at, rows, width, batch = 0 }) => batch === row && place >= at && place < at + rows.length / width);

function embeddingNames({ inputs, outputNames }: Session): { readonly input: string; readonly type: HostTensor['type']; readonly output: string } {
  const [slot, output] = [inputs[0], outputNames[0]];
  if (!slot || output === undefined) throw new LanguageModelError({ code: 'noEmbedding', message: 'The embed_tokens model takes or gives nothing. Download it again.' });
  return { input: slot.name, type: slot.type, output };
}

/** A float tensor's values as float32. */
export function asFloats({ type, data }: HostTensor): Float32Array {
  if (data instanceof Float32Array) return data;
  if (type !== 'float16') return Float32Array.from(data as Float64Array);
  return Float32Array.from(data instanceof Uint16Array ? Array.from(data, halfToFloat) : (data as unknown as Float64Array));
}

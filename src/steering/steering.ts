// A model that steering vectors act on: h ← h + α · norm · v at chosen layers, each token then rescaled to its own norm.
import type { ResidualWidth } from './residualStates.ts';
import { residualSites } from './residualStates.ts';
import type { SteeringVector } from './steeringVector.ts';
import type { ModelFolder } from '../lm/folder.ts';
import { folderDecoder } from '../lm/languageModel.ts';
import type { Decoder, EmbeddingRows, Feeds } from '../lm/session.ts';
import { openDecoder } from '../lm/session.ts';
import type { Span, StreamSource } from '../lm/tokenStream.ts';
import { steerableModel } from '../lm/steerableModel.ts';
import type { WritableSites } from '../lm/writableSites.ts';
import { steeringInputs, steeringVector } from '../lm/writableSites.ts';
import type { ModelHost } from '../runtime/client.ts';
import type { HostTensor, SessionOptions } from '../runtime/protocol.ts';

/** A vector at work. */
export interface AppliedVector {
  readonly vector: Pick<SteeringVector, 'layers'>;
  /** α, in units of the residual's mean norm at each layer. */
  readonly strength: number;
  /** Only these of its layers; all if absent. */
  readonly layers?: readonly number[] | undefined;
}

/**
 * Which tokens are steered. `continuation`: from the prompt's last token on, which decides on the first new one; `all`:
 * the prompt too.
 */
export type SteeredPositions = 'continuation' | 'all';

export interface SteeredPrompt {
  readonly applied: readonly AppliedVector[];
  /** Tokens of the prompt. */
  readonly promptLength: number;
  readonly positions?: SteeredPositions;
  /** Of a position of the text, how much of the vectors its token gets, where it is steered at all; 1 if absent. */
  readonly weight?: ((position: number) => number) | undefined;
  readonly embeddings?: readonly EmbeddingRows[] | undefined;
}

export interface SteerOptions {
  readonly session?: Partial<SessionOptions>;
  /** Only these can be steered, which costs less than all. */
  readonly layers?: readonly number[];
  /** Default true. */
  readonly preserveNorm?: boolean;
  /** Can the residual stream be read after each layer, with what is written there? Default false: it costs a little. */
  readonly reads?: boolean;
}

export type OpenedSteered = { readonly ok: true; readonly steered: SteeredModel } | { readonly ok: false; readonly message: string };

/** A decoder whose residual stream can be written to at its layers. Vectors and strengths change without a new session. */
export class SteeredModel {
  private constructor(
    readonly decoder: Decoder,
    private readonly writable: WritableSites,
    readonly stream: ResidualWidth,
  ) {}

  /** @throws RuntimeError, HostDiedError */
  static async open(host: ModelHost, folder: ModelFolder, { session = {}, layers, preserveNorm = true, reads = false }: SteerOptions = {}): Promise<OpenedSteered> {
    const found = residualSites(folder);
    if (!found.ok) return found;
    const sites = found.sites.filter((_, layer) => layers?.includes(layer) ?? true);
    const writable = steerableModel((edit) => folderDecoder(folder, edit), sites, { preserveNorm, reads: reads ? found.sites : [] });
    const opened = await openDecoder(host, { ...writable.model, options: session });
    if (!opened.ok) return { ok: false, message: opened.fault.message };
    return { ok: true, steered: new SteeredModel(opened.decoder, writable, { layers: found.sites.length, hidden: found.width }) };
  }

  /**
   * Strengths and vectors as inputs of the graph; the mask is still missing.
   * @throws RangeError for vectors that do not fit: see `fitOf`
   */
  amounts(applied: readonly AppliedVector[]): Feeds {
    const { width } = this.writable;
    // At least one, for the graph's inputs cannot be empty.
    const used = applied.length > 0 ? applied : [{ vector: NONE, strength: 0 }];
    const vectors = new Float32Array(used.length * width);
    used.forEach(({ vector, layers }, k) => vectors.set(steeringVector(this.writable, partsOf(vector, layers)), k * width));
    return { [steeringInputs.strength]: float32([used.length], used.map(({ strength }) => strength)), [steeringInputs.vectors]: float32([used.length, width], vectors) };
  }

  /** A decoder's source for `generate` and `generatePair`, steered from the prompt's last token on or everywhere. */
  source({ applied, promptLength, positions = 'continuation', weight, embeddings }: SteeredPrompt): StreamSource {
    const amounts = this.amounts(applied);
    const first = positions === 'all' ? 0 : promptLength - 1;
    const weights = (span: Span): readonly number[] => Array.from({ length: span.count }, (_, i) => (span.start + i < first ? 0 : (weight?.(span.start + i) ?? 1)));
    const whole = { ...amounts, ...maskOf([[1]]) };
    const feeds = (span: Span): Feeds => (!weight && span.start >= first ? whole : { ...amounts, ...maskOf([weights(span)]) });
    return { decoder: this.decoder, feeds, embeddings };
  }

  release(): Promise<void> {
    return this.decoder.release();
  }
}

/** How much each token gets, [batch][sequence]; one of a kind stands for all. */
export const maskOf = (weights: readonly (readonly number[])[]): Feeds => ({ [steeringInputs.mask]: float32([weights.length, weights[0]?.length ?? 0, 1], weights.flat()) });

const float32 = (dims: readonly number[], data: ArrayLike<number>): HostTensor => ({ type: 'float32', dims, data: Float32Array.from(data) });

const NONE: Pick<SteeringVector, 'layers'> = { layers: [] };

function partsOf({ layers }: Pick<SteeringVector, 'layers'>, only: readonly number[] | undefined): Readonly<Record<string, Float32Array>> {
  const chosen = layers.filter(({ layer }) => only?.includes(layer) ?? true);
  return Object.fromEntries(chosen.map(({ layer, direction, norm }) => [`layers.${layer}.resid_post`, direction.map((value) => value * norm)]));
}

// What the process of the language models is asked for about steering, and what it tells: the types of both sides.
import type { Baseline } from './baseline.ts';
import type { AttributionMethod } from './path.ts';
import type { CompletionRequest, ModelAt, ModelProvider } from '../lm/workerCalls.ts';
import type { Attribution } from '../shared/attributionMessages.ts';
import type { LayerDrift } from '../shared/steeringMessages.ts';

/** The model that is asked, and how it is run. */
export type OnModel = Pick<CompletionRequest, 'model' | 'provider' | 'memoryBudgetBytes'>;

export type OpeningEvent =
  | { readonly type: 'opening' }
  /** The process that holds the model. */
  | { readonly type: 'host'; readonly pid: number }
  | ({ readonly type: 'provider' } & ModelProvider)
  /** What went wrong and was mended. */
  | { readonly type: 'note'; readonly message: string };

export type Failure = { readonly ok: false; readonly message: string };

/** A text whose answer is asked about. */
export interface PromptRequest extends OnModel {
  readonly text: string;
  /** The text is a user's message, where the model has a chat template. */
  readonly asMessage: boolean;
  /** [start, end) of the text stands for this image. */
  readonly image: { readonly file: string; readonly start: number; readonly end: number } | null;
}

export interface LikelyRequest extends PromptRequest {
  readonly count: number;
}

export interface Likely {
  readonly text: string;
  readonly probability: number;
}

export type LikelyResult = { readonly ok: true; readonly likely: readonly Likely[] } | Failure;

export interface AttributionCallRequest extends PromptRequest {
  /** Null: the model's own two likeliest. */
  readonly answers: { readonly preferred: string; readonly dispreferred: string } | null;
  readonly method: AttributionMethod;
  readonly steps: number;
  readonly baseline: Baseline;
}

export type AttributionEvent =
  | OpeningEvent
  /** What is begun; the bytes that it is expected to take beside the model. */
  | { readonly type: 'plan'; readonly points: number; readonly bytes: number }
  /** Points done so far. */
  | { readonly type: 'points'; readonly done: number; readonly total: number };

export type AttributionCallResult = { readonly ok: true; readonly attribution: Attribution } | Failure;

/** A vector that is on. */
export interface AppliedFile {
  readonly file: string;
  /** In units of the residual stream's mean norm at each layer. */
  readonly strength: number;
  /** Layers that are written to, both ends among them. */
  readonly from: number;
  readonly to: number;
}

export interface ComparisonRequest extends OnModel, Pick<CompletionRequest, 'text' | 'asMessage' | 'sampling' | 'maxTokens' | 'seed'> {
  readonly steering: readonly AppliedFile[];
}

export type ComparisonEvent =
  | OpeningEvent
  /** What has been added since the last one. */
  | { readonly type: 'text'; readonly unsteered: string; readonly steered: string; /** Of the unsteered answer. */ readonly tokens: number; /** KL(unsteered ‖ steered), nats, of each further token. */ readonly divergence: readonly number[] };

export type ComparisonResult =
  | { readonly ok: true; readonly unsteered: string; readonly steered: string; readonly divergence: readonly number[]; readonly drift: readonly LayerDrift[]; readonly isSteered: boolean; readonly cancelled: boolean }
  | Failure;

export interface VectorsRequest {
  readonly folder: string;
  /** The one that they are to fit, if any is chosen. */
  readonly model: ModelAt | null;
}

/** A vector file. */
export interface ListedVector {
  /** Its name in the folder. */
  readonly file: string;
  readonly name: string;
  readonly method: string;
  /** What it was made of: so many items of this data, read at these tokens of this model. */
  readonly items: number;
  readonly data: string;
  readonly model: string;
  readonly tokens: string;
  readonly layers: readonly number[];
  /** What did best on validation pairs, where it was looked for. */
  readonly suggestedStrength: number | null;
  /** Why it does not fit the model; null if it does. */
  readonly problem: string | null;
  readonly warnings: readonly string[];
}

export interface VectorsResult {
  readonly vectors: readonly ListedVector[];
  /** Files that are no vectors. */
  readonly problems: readonly string[];
}

export type MakingMethod = 'grains' | 'caa';

export interface MakingRequest extends OnModel {
  /** A JSONL file of contrast pairs. */
  readonly pairs: string;
  /** Where the vector is written to. */
  readonly target: string;
  readonly method: MakingMethod;
  readonly attribution: Pick<AttributionCallRequest, 'method' | 'steps' | 'baseline'>;
}

export type MakingEvent =
  | OpeningEvent
  /** Pairs attributed, or texts whose states are read. */
  | { readonly type: 'stage'; readonly stage: 'attribution' | 'states'; readonly done: number; readonly total: number };

export type MakingResult =
  | { readonly ok: true; readonly pairs: number; /** Layers that show no direction. */ readonly without: readonly number[]; /** Pairs whose attribution leaves more than 5 % unexplained; null without attribution. */ readonly incomplete: number | null }
  | Failure;

export interface SteeringCalls {
  readonly vectors: { readonly request: VectorsRequest; readonly event: never; readonly result: VectorsResult };

  readonly likely: { readonly request: LikelyRequest; readonly event: OpeningEvent; readonly result: LikelyResult };
  readonly attribute: { readonly request: AttributionCallRequest; readonly event: AttributionEvent; readonly result: AttributionCallResult };
  readonly makeVector: { readonly request: MakingRequest; readonly event: MakingEvent; readonly result: MakingResult };
  readonly compare: { readonly request: ComparisonRequest; readonly event: ComparisonEvent; readonly result: ComparisonResult };
}

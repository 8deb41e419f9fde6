// What the process of the language models is asked for about steering, and what it tells: the types of both sides.
import type { Baseline } from './baseline.ts';
import type { AttributionMethod } from './path.ts';
import type { CompletionRequest, ModelProvider } from '../lm/workerCalls.ts';
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

export interface SteeringCalls {
  readonly likely: { readonly request: LikelyRequest; readonly event: OpeningEvent; readonly result: LikelyResult };
  readonly attribute: { readonly request: AttributionCallRequest; readonly event: AttributionEvent; readonly result: AttributionCallResult };
  readonly compare: { readonly request: ComparisonRequest; readonly event: ComparisonEvent; readonly result: ComparisonResult };
}

// What the process of the language models is asked for about steering, and what it tells: the types of both sides.
import type { CompletionRequest } from '../lm/workerCalls.ts';
import type { LayerDrift } from '../shared/steeringMessages.ts';

/** A vector that is on. */
export interface AppliedVector {
  readonly file: string;
  /** In units of the residual stream's mean norm at each layer. */
  readonly strength: number;
  /** Layers that are written to, both ends among them. */
  readonly from: number;
  readonly to: number;
}

export interface ComparisonRequest extends Pick<CompletionRequest, 'model' | 'provider' | 'memoryBudgetBytes' | 'text' | 'asMessage' | 'sampling' | 'maxTokens' | 'seed'> {
  readonly steering: readonly AppliedVector[];
}

export type OpeningEvent =
  | { readonly type: 'opening' }
  /** The process that holds the model. */
  | { readonly type: 'host'; readonly pid: number }
  /** What went wrong and was mended. */
  | { readonly type: 'note'; readonly message: string };

export type ComparisonEvent =
  | OpeningEvent
  /** What has been added since the last one. */
  | { readonly type: 'text'; readonly unsteered: string; readonly steered: string; /** Of the unsteered answer. */ readonly tokens: number; /** KL(unsteered ‖ steered), nats, of each further token. */ readonly divergence: readonly number[] };

export type Failure = { readonly ok: false; readonly message: string };

export type ComparisonResult =
  | { readonly ok: true; readonly unsteered: string; readonly steered: string; readonly divergence: readonly number[]; readonly drift: readonly LayerDrift[]; readonly isSteered: boolean; readonly cancelled: boolean }
  | Failure;

export interface SteeringCalls {
  readonly compare: { readonly request: ComparisonRequest; readonly event: ComparisonEvent; readonly result: ComparisonResult };
}

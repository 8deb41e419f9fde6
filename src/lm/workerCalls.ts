// What the process of the language models is asked for, and what it tells: the types of both sides.
import type { DownloadPlan, DownloadProgress, DownloadResult } from './download.ts';
import type { GenerationEnd, GenerationOptions } from './generate.ts';
import type { FolderProblem } from './folder.ts';
import type { DownloadProblem } from './hub/problem.ts';
import type { VariantSize } from './hub/modelFiles.ts';
import type { Provider } from '../runtime/protocol.ts';
import type { ModelFacts, ModelOrigin, SizedFile } from '../shared/modelMessages.ts';

/** A model as a list shows it. */
export interface ListedModel {
  readonly path: string;
  readonly name: string;
  readonly origin: ModelOrigin;
  readonly family: string;
  readonly layers: number | null;
  readonly hidden: number | null;
  readonly context: number | null;
  readonly images: boolean;
  /** Best first. */
  readonly variants: readonly SizedFile[];
  /** Why it cannot be used; the fields above are then empty. */
  readonly problem: FolderProblem | null;
}

export interface ModelRoot {
  readonly folder: string;
  readonly origin: ModelOrigin;
}

export interface ModelAt {
  readonly path: string;
  readonly variant: string | null;
}

export interface FactsRequest extends ModelAt {
  /** Null: what the machine has to spare. */
  readonly memoryBudgetBytes: number | null;
}

/** Which provider is to run a model. */
export type ProviderWish =
  /** This one; where the model does not run on it, CPU. */
  | { readonly kind: 'asked'; readonly provider: Provider }
  /** The first of these that agrees with CPU on a short prompt and is faster, else CPU. */
  | { readonly kind: 'fastest'; readonly candidates: readonly Provider[] };

/** Which provider runs a model, and why each that was tried does not. */
export interface ModelProvider {
  readonly provider: Provider;
  readonly passedOver: readonly string[];
}

export interface CompletionRequest {
  readonly model: ModelAt;
  readonly provider: ProviderWish;
  /** Null: what the machine has to spare. */
  readonly memoryBudgetBytes: number | null;
  /** What is continued, or answered. */
  readonly text: string;
  /** The text is a user's message, where the model has a chat template. */
  readonly asMessage: boolean;
  readonly sampling: GenerationOptions['sampling'];
  readonly maxTokens: number;
  readonly seed: number;
}

export type CompletionEvent =
  | { readonly type: 'opening' }
  /** The process that holds the model. */
  | { readonly type: 'host'; readonly pid: number }
  | ({ readonly type: 'provider' } & ModelProvider)
  | { readonly type: 'prompt'; readonly tokens: number; /** Characters at the beginning that did not fit. */ readonly left: number; readonly asMessage: boolean }
  | { readonly type: 'text'; readonly text: string; readonly tokens: number }
  /** What went wrong and was mended. */
  | { readonly type: 'note'; readonly message: string };

export type CompletionResult =
  | { readonly ok: true; readonly text: string; readonly tokens: number; readonly promptTokens: number; readonly end: GenerationEnd; /** From the first token on, milliseconds. */ readonly millis: number }
  | { readonly ok: false; readonly message: string };

export type DownloadEvent =
  | { readonly type: 'plan'; readonly plan: DownloadPlan }
  | { readonly type: 'progress'; readonly progress: DownloadProgress }
  | { readonly type: 'note'; readonly message: string };

export interface DownloadRequest {
  readonly repo: string;
  /** Null: fp32 where there is one, else the smallest. */
  readonly variant: string | null;
  readonly folder: string;
}

export type VariantsResult = { readonly ok: true; readonly variants: readonly VariantSize[] } | { readonly ok: false; readonly problem: DownloadProblem };

export interface LanguageModelCalls {
  readonly list: { readonly request: readonly ModelRoot[]; readonly event: never; readonly result: readonly ListedModel[] };
  readonly facts: { readonly request: FactsRequest; readonly event: never; readonly result: { readonly ok: true; readonly facts: ModelFacts } | { readonly ok: false; readonly problem: FolderProblem } };
  readonly complete: { readonly request: CompletionRequest; readonly event: CompletionEvent; readonly result: CompletionResult };
  /** Frees the model that is open. */
  readonly close: { readonly request: null; readonly event: never; readonly result: null };
  readonly variants: { readonly request: { readonly repo: string }; readonly event: never; readonly result: VariantsResult };
  readonly download: { readonly request: DownloadRequest; readonly event: DownloadEvent; readonly result: DownloadResult };
}

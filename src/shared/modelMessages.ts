// What the page of one language model and the extension say to each other.

/** A yes or a no with the reason. */
export interface Ability {
  readonly works: boolean;
  readonly why: string;
}

export interface SizedFile {
  readonly name: string;
  readonly bytes: number;
}

export interface SiteRow {
  /** `embed`, `layers.3.attn_out`, … */
  readonly name: string;
  readonly node: string;
  readonly op: string;
  /** [batch, sequence, 64] */
  readonly shape: string;
  readonly type: string;
}

/** What a model folder is and can do, read from its files without opening it in the runtime. */
export interface ModelFacts {
  readonly path: string;
  readonly name: string;
  readonly family: string;
  readonly layout: 'optimum' | 'genai';
  readonly variant: string;
  readonly variants: readonly SizedFile[];
  readonly layers: number | null;
  readonly hidden: number | null;
  readonly heads: number | null;
  readonly keyValueHeads: number | null;
  readonly vocabulary: number | null;
  /** Longest sequence, tokens. */
  readonly context: number | null;
  /** Weights of the graph; a shared one counts once. */
  readonly parameters: number;
  /** Element types of the weights, with how many have each. */
  readonly types: readonly { readonly type: string; readonly parameters: number }[];
  readonly files: readonly SizedFile[];
  readonly sites: readonly SiteRow[];
  /** What the graph does not show, and why. */
  readonly missing: readonly string[];
  readonly gradients: Ability;
  readonly images: Ability;
  readonly chat: Ability;
  readonly tokenizer: Ability;
  readonly memory: {
    readonly weights: number;
    /** Of keys and values for one token. */
    readonly cachePerToken: number;
    /** For a whole context; null where its length is not known. */
    readonly cache: number | null;
    /** What open models may take together. */
    readonly budget: number;
  };
}

export interface ProviderRow {
  readonly provider: string;
  readonly works: boolean;
  readonly reason: string;
  /** Relative L2 difference from CPU. */
  readonly difference: number | null;
  readonly millis: number | null;
}

export interface ProviderView {
  readonly provider: string;
  readonly why: string;
  readonly rows: readonly ProviderRow[];
}

export type ModelOrigin = 'shipped' | 'downloaded' | 'opened';

/** Everything that the page shows. */
export type ModelPageState =
  | { readonly status: 'empty' }
  | { readonly status: 'loading'; readonly path: string }
  | { readonly status: 'failed'; readonly path: string; readonly message: string; readonly origin: ModelOrigin }
  | {
      readonly status: 'shown';
      readonly facts: ModelFacts;
      readonly origin: ModelOrigin;
      /** It is the model that is used in this workspace. */
      readonly inUse: boolean;
      /** What it is doing, in words. */
      readonly activity: string;
      /** Null while the providers are being checked. */
      readonly provider: ProviderView | null;
    };

export interface ModelSnapshot {
  readonly type: 'snapshot';
  readonly state: ModelPageState;
}
export type ToModelPage = ModelSnapshot;

export type ModelPageAction = 'use' | 'open' | 'delete' | 'select' | 'download' | 'retry';

export interface ModelPageReady {
  readonly type: 'ready';
}
export interface ModelPageActs {
  readonly type: 'action';
  readonly action: ModelPageAction;
}
/** Another variant of the model. */
export interface ChooseVariant {
  readonly type: 'variant';
  readonly variant: string;
}
/** The table of sites, as CSV. */
export interface ExportSites {
  readonly type: 'export';
  readonly csv: string;
}
export type FromModelPage = ModelPageReady | ModelPageActs | ChooseVariant | ExportSites;

const actions: ReadonlySet<unknown> = new Set<ModelPageAction>(['use', 'open', 'delete', 'select', 'download', 'retry']);

/** Messages come from a page: anything but the known shapes is dropped. */
export function isFromModelPage(message: unknown): message is FromModelPage {
  if (typeof message !== 'object' || message === null || !('type' in message)) return false;
  switch (message.type) {
    case 'ready':
      return true;
    case 'action':
      return 'action' in message && actions.has(message.action);
    case 'variant':
      return 'variant' in message && typeof message.variant === 'string';
    case 'export':
      return 'csv' in message && typeof message.csv === 'string';
    default:
      return false;
  }
}

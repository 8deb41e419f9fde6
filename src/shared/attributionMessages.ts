// An attribution as the editor and its page show it, and what the two say to each other.

export type TokenSet = 'positive' | 'negative';

export interface AttributedToken {
  /** As the tokenizer has it, with its spaces. */
  readonly text: string;
  /** [start, end) in UTF-16 units of the attributed text; empty for tokens that are not in it, such as an image's. */
  readonly start: number;
  readonly end: number;
  /** Nats; positive pushes towards the preferred answer. */
  readonly value: number;
  /** 1: pushes most towards the preferred answer; null for special tokens. */
  readonly rank: number | null;
  /** Among the k highest (S⁺) or the k lowest (S⁻). */
  readonly set: TokenSet | null;
}

export interface LayerAttribution {
  /** The site it is measured at: `layers.3.resid_post`. */
  readonly site: string;
  readonly layer: number;
  /** Of each token, nats. */
  readonly values: readonly number[];
  /** What goes through the answers' own tokens in that layer, nats. */
  readonly response: number;
  /** Share of the difference that the sum of both misses. */
  readonly error: number;
}

/** An image of the prompt with the attribution of its patches. */
export interface AttributedImage {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  /** Pixels, RGB, base64. */
  readonly pixels: string;
  readonly rows: number;
  readonly columns: number;
  /** Index of the token of each patch, row by row. */
  readonly tokens: readonly number[];
}

export interface Attribution {
  /** Name of the model's folder. */
  readonly model: string;
  readonly provider: string;
  readonly preferred: string;
  readonly dispreferred: string;
  /** The answers were the model's own two likeliest, not given. */
  readonly chosen: boolean;
  readonly method: string;
  readonly steps: number;
  readonly baseline: string;
  /** log p(preferred) − log p(dispreferred), nats: of the prompt, and of the baseline. */
  readonly contrast: number;
  readonly baselineContrast: number;
  /** |Σ tokens − (contrast − baselineContrast)| over |contrast − baselineContrast|. */
  readonly error: number;
  /** Where the numbers do not add up: by how much, and what to do. */
  readonly warning: string | null;
  readonly tokens: readonly AttributedToken[];
  readonly layers: readonly LayerAttribution[];
  readonly image: AttributedImage | null;
  readonly millis: number;
}

/** From here on the sums miss too much to be leaned on. */
export const largeError = 0.05;

/** Four strengths, by the share of the strongest token; 0: too weak to be marked. */
export function strengthLevel(value: number, strongest: number): 0 | 1 | 2 | 3 | 4 {
  const share = strongest > 0 ? Math.abs(value) / strongest : 0;
  if (share >= 0.6) return 4;
  if (share >= 0.3) return 3;
  if (share >= 0.12) return 2;
  return share >= 0.04 ? 1 : 0;
}

export const strongestOf = (tokens: readonly Pick<AttributedToken, 'value'>[]): number => tokens.reduce((most, { value }) => Math.max(most, Math.abs(value)), 0);

/** +0.312, −1.205 */
export const natsText = (value: number): string => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(3)}`;

export const percentText = (share: number): string => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;

/** An answer between quotes, its line ends and edges visible. */
export const quoted = (text: string): string => `“${text.replaceAll('\n', '⏎').replaceAll('\t', '⇥')}”`;

/** Everything that the page shows. */
export type AttributionPageState =
  | { readonly status: 'empty' }
  | { readonly status: 'running'; readonly file: string; readonly step: string; readonly done: number; /** 0: not known yet. */ readonly total: number }
  | { readonly status: 'failed'; readonly file: string; readonly message: string }
  | { readonly status: 'shown'; readonly file: string; /** The text has been changed since. */ readonly stale: boolean; readonly attribution: Attribution };

export interface AttributionSnapshot {
  readonly type: 'snapshot';
  readonly state: AttributionPageState;
}
export type ToAttributionPage = AttributionSnapshot;

export type AttributionAction = 'again' | 'answers' | 'cancel' | 'source' | 'clear';

export interface AttributionReady {
  readonly type: 'ready';
}
export interface AttributionActs {
  readonly type: 'action';
  readonly action: AttributionAction;
}
export type ExportFormat = 'svg' | 'csv' | 'png';
/** Something to be saved; a PNG as base64. */
export interface AttributionExport {
  readonly type: 'export';
  readonly format: ExportFormat;
  readonly content: string;
}
/** A token of the picture is in focus: show it in the text. */
export interface AttributionReveal {
  readonly type: 'reveal';
  readonly token: number;
}
export type FromAttributionPage = AttributionReady | AttributionActs | AttributionExport | AttributionReveal;

const actions: ReadonlySet<unknown> = new Set<AttributionAction>(['again', 'answers', 'cancel', 'source', 'clear']);
const formats: ReadonlySet<unknown> = new Set<ExportFormat>(['svg', 'csv', 'png']);

/** Messages come from a page: anything but the known shapes is dropped. */
export function isFromAttributionPage(message: unknown): message is FromAttributionPage {
  if (typeof message !== 'object' || message === null || !('type' in message)) return false;
  switch (message.type) {
    case 'ready':
      return true;
    case 'action':
      return 'action' in message && actions.has(message.action);
    case 'export':
      return 'format' in message && formats.has(message.format) && 'content' in message && typeof message.content === 'string';
    case 'reveal':
      return 'token' in message && Number.isInteger(message.token);
    default:
      return false;
  }
}

// What the transformer page and the extension say to each other.
import type { SourcePlace, TransformerPicture } from './transformerPicture.ts';

/** What is compiled for and run, as the user writes it: `abc`, `"abc"` or `[3, 1, 2]`. */
export interface TransformerSettings {
  readonly input: string;
  readonly vocabulary: string;
  readonly maxLength: number;
  readonly causal: boolean;
}

/** Why there is no picture, and which field or op is to blame. */
export interface TransformerProblem {
  readonly message: string;
  readonly field: 'input' | 'vocabulary' | 'maxLength' | null;
  readonly place: SourcePlace | null;
}

export type TransformerView =
  | { readonly status: 'empty'; readonly message: string }
  | { readonly status: 'compiling' }
  | { readonly status: 'failed'; readonly problem: TransformerProblem }
  | { readonly status: 'shown'; readonly picture: TransformerPicture };

/** Everything that the page shows: sent whole whenever it becomes visible. */
export interface TransformerState {
  readonly program: { readonly name: string; readonly file: string } | null;
  readonly settings: TransformerSettings | null;
  readonly view: TransformerView;
  /** The program's text is another one than was compiled. */
  readonly stale: boolean;
}

export interface TransformerSnapshot {
  readonly type: 'snapshot';
  readonly state: TransformerState;
}
export type ToTransformerPage = TransformerSnapshot;

export interface TransformerReady {
  readonly type: 'ready';
}
/** Compile where need be, and run. */
export interface RunTransformer {
  readonly type: 'run';
  readonly settings: TransformerSettings;
}
export interface CancelTransformer {
  readonly type: 'cancel';
}
/** The picture as an SVG document, to be saved. */
export interface ExportTransformerSvg {
  readonly type: 'exportSvg';
  readonly svg: string;
}
export interface ExportTransformerModel {
  readonly type: 'exportModel';
}
export interface ShowTransformerSource {
  readonly type: 'source';
  readonly start: number;
  readonly end: number;
}
export type FromTransformerPage = TransformerReady | RunTransformer | CancelTransformer | ExportTransformerSvg | ExportTransformerModel | ShowTransformerSource;

/** Messages come from a page: anything but the known shapes is dropped. */
export function isFromTransformerPage(message: unknown): message is FromTransformerPage {
  if (typeof message !== 'object' || message === null || !('type' in message)) return false;
  switch (message.type) {
    case 'run':
      return 'settings' in message && isSettings(message.settings);
    case 'exportSvg':
      return 'svg' in message && typeof message.svg === 'string';
    case 'source':
      return 'start' in message && 'end' in message && Number.isInteger(message.start) && Number.isInteger(message.end);
    default:
      return message.type === 'ready' || message.type === 'cancel' || message.type === 'exportModel';
  }
}

function isSettings(value: unknown): value is TransformerSettings {
  if (typeof value !== 'object' || value === null) return false;
  const { input, vocabulary, maxLength, causal } = value as Partial<Record<keyof TransformerSettings, unknown>>;
  return typeof input === 'string' && typeof vocabulary === 'string' && typeof maxLength === 'number' && typeof causal === 'boolean';
}

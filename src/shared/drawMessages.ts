// What the drawing page and the extension say to each other.
import type { Drawing } from './drawing.ts';

/** Everything that the page shows: sent whole whenever it becomes visible. */
export interface DrawState {
  readonly drawing: Drawing | null;
  /** Where the drawing comes from; without a drawing, why there is none. */
  readonly caption: string;
  /** The drawing has a place in a file, which `source` shows. */
  readonly hasSource: boolean;
}

export interface DrawSnapshot {
  readonly type: 'snapshot';
  readonly state: DrawState;
}
export type ToDrawPage = DrawSnapshot;

export interface DrawReady {
  readonly type: 'ready';
}
/** The picture as an SVG document, to be saved. */
export interface ExportSvg {
  readonly type: 'export';
  readonly svg: string;
}
export interface ShowSource {
  readonly type: 'source';
}
export type FromDrawPage = DrawReady | ExportSvg | ShowSource;

/** Messages come from a page: anything but the known shapes is dropped. */
export function isFromDrawPage(message: unknown): message is FromDrawPage {
  if (typeof message !== 'object' || message === null || !('type' in message)) return false;
  if (message.type === 'export') return 'svg' in message && typeof message.svg === 'string';
  return message.type === 'ready' || message.type === 'source';
}

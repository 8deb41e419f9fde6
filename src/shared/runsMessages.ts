// What the page of repair runs and the extension say to each other.
import type { ChartPoint, PanelState, SuspectView } from './messages.ts';

export interface RunRow {
  readonly id: string;
  /** In the user's own way of writing times. */
  readonly when: string;
  readonly file: string;
  readonly status: PanelState['status'];
  /** As it was asked for. */
  readonly method: string;
  /** Share of examples that the patched program or the trained model gets right, else the best candidate's; 0 to 1. */
  readonly exact: number | null;
  readonly seconds: number | null;
}

export interface RunDetail extends RunRow {
  readonly message: string;
  /** What found the patch or trained the model. */
  readonly foundBy: string;
  readonly provider: string;
  readonly evaluations: number | null;
  readonly points: readonly ChartPoint[];
  readonly suspects: readonly SuspectView[];
  /** A unified diff, or empty. */
  readonly diff: string;
  readonly summary: string;
}

/** Everything that the page shows. */
export interface RunsState {
  /** Newest first. */
  readonly rows: readonly RunRow[];
  /** The chosen runs, at most two, in the order of choosing. */
  readonly chosen: readonly RunDetail[];
}

export interface RunsSnapshot {
  readonly type: 'snapshot';
  readonly state: RunsState;
}
export type ToRunsPage = RunsSnapshot;

export interface RunsReady {
  readonly type: 'ready';
}
export interface ChooseRuns {
  readonly type: 'choose';
  readonly ids: readonly string[];
}
export interface OpenRun {
  readonly type: 'open';
  readonly id: string;
}
/** The chosen runs, or all if none is chosen, as JSON. */
export interface ExportRuns {
  readonly type: 'export';
}
export type FromRunsPage = RunsReady | ChooseRuns | OpenRun | ExportRuns;

/** Messages come from a page: anything but the known shapes is dropped. */
export function isFromRunsPage(message: unknown): message is FromRunsPage {
  if (typeof message !== 'object' || message === null || !('type' in message)) return false;
  switch (message.type) {
    case 'ready':
    case 'export':
      return true;
    case 'open':
      return 'id' in message && typeof message.id === 'string';
    case 'choose':
      return 'ids' in message && Array.isArray(message.ids) && message.ids.length <= 2 && message.ids.every((id) => typeof id === 'string');
    default:
      return false;
  }
}

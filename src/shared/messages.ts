// What the repair panel and the extension say to each other: one interface a message, one union each way.

export interface ChartPoint {
  readonly step: number;
  readonly stage: string;
  /** NaN travels as null. */
  readonly loss: number | null;
  /** 0 to 1. */
  readonly accuracy: number;
  readonly millis: number;
}

export interface SourceLine {
  readonly number: number;
  readonly text: string;
  /** Share of the gradient on ops that start here, 0 to 1. */
  readonly suspicion: number;
  /** The best candidate so far changes this line. */
  readonly moving: boolean;
}

export interface SampleView {
  readonly input: string;
  readonly target: string;
  readonly before: string;
  readonly now: string;
}

export interface SuspectView {
  readonly line: number;
  readonly label: string;
  readonly score: number;
}

/** Everything the panel shows: sent whole whenever it becomes visible. */
export interface PanelState {
  readonly status: 'idle' | 'running' | 'repaired' | 'partial' | 'unrepairable' | 'correct' | 'refused' | 'cancelled' | 'failed';
  readonly file: string;
  readonly stage: string;
  readonly message: string;
  readonly points: readonly ChartPoint[];
  readonly lines: readonly SourceLine[];
  readonly suspects: readonly SuspectView[];
  readonly sample: SampleView | null;
  readonly summary: string;
  readonly tried: readonly string[];
  readonly canApply: boolean;
  /** There is a trained model that can be saved. */
  readonly canSave: boolean;
}

export interface SnapshotMessage {
  readonly type: 'snapshot';
  readonly state: PanelState;
}
/** New points only; the rest of the state as it now is. */
export interface UpdateMessage {
  readonly type: 'update';
  readonly state: Omit<PanelState, 'points' | 'lines'>;
  readonly points: readonly ChartPoint[];
  readonly moving: readonly number[];
}
export type ToPanel = SnapshotMessage | UpdateMessage;

export interface ReadyMessage {
  readonly type: 'ready';
}
export interface ActionMessage {
  readonly type: 'action';
  readonly action: 'apply' | 'diff' | 'save' | 'cancel' | 'again';
}
export type FromPanel = ReadyMessage | ActionMessage;

const actions: ReadonlySet<unknown> = new Set(['apply', 'diff', 'save', 'cancel', 'again']);

/** Messages come from a page: anything but the two known shapes is dropped. */
export function isFromPanel(message: unknown): message is FromPanel {
  if (typeof message !== 'object' || message === null || !('type' in message)) return false;
  if (message.type === 'ready') return true;
  return message.type === 'action' && 'action' in message && actions.has(message.action);
}

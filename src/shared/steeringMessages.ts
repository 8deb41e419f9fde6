// What the Steering view and the extension say to each other.

/** A steering vector as the list shows it. */
export interface VectorRow {
  /** Name of its file. */
  readonly id: string;
  readonly name: string;
  readonly method: string;
  /** Data, tokens and model that it was made from, in words. */
  readonly origin: string;
  /** Layers that it has a part for, ascending. */
  readonly layers: readonly number[];
  /** Why the model in use cannot be steered by it; null if it can. */
  readonly problem: string | null;
  /** What speaks against using it with this model; empty if nothing does. */
  readonly warning: string;
  readonly on: boolean;
  /** Where its slider ends. */
  readonly most: number;
  /** In units of the residual stream's mean norm at each layer; negative steers against it. */
  readonly strength: number;
  /** Layers that are written to, both ends among them. */
  readonly from: number;
  readonly to: number;
}

/** What can be set of a vector. */
export type VectorSettings = Pick<VectorRow, 'on' | 'strength' | 'from' | 'to'>;

export interface LayerDrift {
  readonly layer: number;
  /** The steered stream's norm over the unsteered one's, minus 1: the mean over the tokens that both texts have alike. */
  readonly drift: number;
}

/** Two answers to one prompt. */
export interface Answers {
  readonly status: 'empty' | 'opening' | 'writing' | 'done' | 'stopped' | 'failed';
  /** What went wrong, where it failed. */
  readonly message: string;
  readonly unsteered: string;
  readonly steered: string;
  /** Nothing is on: both answers are the same. */
  readonly isSteered: boolean;
  /** KL(unsteered ‖ steered) of the next-token distributions, nats, as long as both texts are the same. */
  readonly divergence: readonly number[];
  readonly drift: readonly LayerDrift[];
}

/** A vector that is being made. */
export interface Making {
  readonly label: string;
  readonly done: number;
  /** 0: not known yet. */
  readonly total: number;
}

export interface SteeringModel {
  readonly name: string;
  /** Empty before the model was first used. */
  readonly provider: string;
  readonly why: string;
  /** What it is doing, in words. */
  readonly activity: string;
}

/** Everything that the view shows. */
export interface SteeringState {
  readonly trusted: boolean;
  readonly model: SteeringModel | null;
  readonly vectors: readonly VectorRow[];
  /** Files that cannot be read as vectors, in words. */
  readonly problems: readonly string[];
  readonly making: Making | null;
  readonly prompt: string;
  readonly answers: Answers;
}

export interface SteeringSnapshot {
  readonly type: 'snapshot';
  readonly state: SteeringState;
}
/** The answers alone, while they grow. */
export interface AnswersUpdate {
  readonly type: 'answers';
  readonly answers: Answers;
}
export type ToSteeringView = SteeringSnapshot | AnswersUpdate;

export type SteeringAction = 'select' | 'about' | 'make' | 'import' | 'cancelMaking' | 'run' | 'stop';

export interface SteeringReady {
  readonly type: 'ready';
}
export interface SteeringActs {
  readonly type: 'action';
  readonly action: SteeringAction;
}
export interface ChangePrompt {
  readonly type: 'prompt';
  readonly text: string;
}
export interface ChangeVector {
  readonly type: 'change';
  readonly id: string;
  readonly change: Partial<VectorSettings>;
}
export interface DeleteVector {
  readonly type: 'delete';
  readonly id: string;
}
export type FromSteeringView = SteeringReady | SteeringActs | ChangePrompt | ChangeVector | DeleteVector;

/** No strength is larger. */
export const mostStrength = 4;

/** Where a slider ends at least: a strength of 1 adds as much as the stream has. */
export const usualStrength = 1;

const actions: ReadonlySet<unknown> = new Set<SteeringAction>(['select', 'about', 'make', 'import', 'cancelMaking', 'run', 'stop']);

/** Messages come from a page: anything but the known shapes is dropped. */
export function isFromSteeringView(message: unknown): message is FromSteeringView {
  if (typeof message !== 'object' || message === null || !('type' in message)) return false;
  switch (message.type) {
    case 'ready':
      return true;
    case 'action':
      return 'action' in message && actions.has(message.action);
    case 'prompt':
      return 'text' in message && typeof message.text === 'string';
    case 'change':
      return 'id' in message && typeof message.id === 'string' && 'change' in message && isChange(message.change);
    case 'delete':
      return 'id' in message && typeof message.id === 'string';
    default:
      return false;
  }
}

const isNumber = (value: unknown, least: number, most: number): boolean => typeof value === 'number' && value >= least && value <= most;

const checks: Readonly<Record<keyof VectorSettings, (value: unknown) => boolean>> = {
  on: (value) => typeof value === 'boolean',
  strength: (value) => isNumber(value, -mostStrength, mostStrength),
  from: (value) => Number.isInteger(value) && isNumber(value, 0, 10_000),
  to: (value) => Number.isInteger(value) && isNumber(value, 0, 10_000),
};

function isChange(change: unknown): change is Partial<VectorSettings> {
  if (typeof change !== 'object' || change === null) return false;
  return Object.entries(change).every(([key, value]) => key in checks && checks[key as keyof VectorSettings](value));
}

// What the editor and its worker process say to each other: everything that computes runs on the other side.
import type { Span, Diagnostic } from '../rasp/diagnostic.ts';
import type { Dialect } from '../rasp/program.ts';
import type { Provider } from '../runtime/protocol.ts';
import type { RepairContext, RepairTask, TaskEvent, TaskResult } from './task.ts';
import type { RepairMethod, RepairProgress, RepairRefusal, RepairResult } from './types.ts';

export interface WorkerFile {
  readonly path: string;
  readonly text: string;
  readonly dialect: Dialect;
}

/** Analyses a file and, if asked, runs its examples. */
export interface CheckRequest {
  readonly type: 'check';
  readonly id: number;
  readonly file: WorkerFile;
  readonly examples: boolean;
}
export interface RepairCall {
  readonly type: 'repair';
  readonly id: number;
  readonly file: WorkerFile;
  readonly method: RepairMethod;
  readonly budgetMillis: number;
  /** How many processes may compute at once, as far as there are cores. */
  readonly processes: number;
  /** `auto` is CPU: the tables of a program are small, and a GPU's start costs more than it saves. */
  readonly provider: Provider | 'auto';
  readonly hostPath: string;
}
export interface ProvidersRequest {
  readonly type: 'providers';
  readonly id: number;
  readonly hostPath: string;
}
/** One task of a repair that another process leads. */
export interface TaskCall {
  readonly type: 'task';
  readonly id: number;
  /** Null: that of the call before. */
  readonly context: RepairContext | null;
  readonly task: RepairTask;
  readonly millis: number;
  readonly provider: Provider;
  readonly hostPath: string;
}
/** The call of that id is no longer wanted; a task answers with `cancelled`. */
export interface CancelRequest {
  readonly type: 'cancel';
  readonly id: number;
}
export type WorkerRequest = CheckRequest | RepairCall | ProvidersRequest | TaskCall | CancelRequest;

export interface FailingExample {
  readonly span: Span;
  readonly message: string;
}
export interface CheckResult {
  readonly diagnostics: readonly Diagnostic[];
  /** The entry that examples are run on, if there is one. */
  readonly entry: { readonly name: string; readonly span: Span } | null;
  readonly examples: number;
  readonly failing: readonly FailingExample[];
}

export interface CheckedReply {
  readonly type: 'checked';
  readonly id: number;
  readonly result: CheckResult;
}
export interface ProgressReply {
  readonly type: 'progress';
  readonly id: number;
  readonly progress: RepairProgress;
}
export interface RepairedReply {
  readonly type: 'repaired';
  readonly id: number;
  readonly result: RepairResult | RepairRefusal;
}
export interface ProvidersReply {
  readonly type: 'providers';
  readonly id: number;
  readonly text: string;
}
export interface TaskEventReply {
  readonly type: 'taskEvent';
  readonly id: number;
  readonly event: TaskEvent;
}
export interface TaskReply {
  readonly type: 'task';
  readonly id: number;
  readonly result: TaskResult;
}
export interface CancelledReply {
  readonly type: 'cancelled';
  readonly id: number;
}
/** A bug on the other side, told with its message. */
export interface FailedReply {
  readonly type: 'failed';
  readonly id: number;
  readonly message: string;
}
export type WorkerReply = CheckedReply | ProgressReply | RepairedReply | ProvidersReply | TaskEventReply | TaskReply | CancelledReply | FailedReply;

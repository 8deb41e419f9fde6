// What the editor and its worker process say to each other: everything that computes runs on the other side.
import type { Span, Diagnostic } from '../rasp/diagnostic.ts';
import type { SourceFile } from '../rasp/analyse.ts';
import type { Dialect } from '../rasp/program.ts';
import type { Inspected } from '../rasp/shownValue.ts';
import type { ReplReply } from '../rasp/repl/session.ts';
import type { Drawing } from '../shared/drawing.ts';
import type { Provider } from '../runtime/protocol.ts';
import type { ProviderReport } from '../runtime/providers.ts';
import type { RepairContext, RepairTask, TaskEvent, TaskResult } from './task.ts';
import type { ModelAnswer, PictureAnswer, TransformerCall } from './transformerRequest.ts';
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
/** What a name or an operator of a file gives on its running example. */
export interface InspectRequest {
  readonly type: 'inspect';
  readonly id: number;
  readonly file: WorkerFile;
  readonly offset: number;
}
/** A step of the process's one interactive session; `open` starts it anew, with a file as the editor holds it. */
export interface ReplRequest {
  readonly type: 'repl';
  readonly id: number;
  readonly step:
    | { readonly kind: 'open'; readonly consolePath: string; readonly file: SourceFile | null }
    | { readonly kind: 'line'; readonly text: string }
    | { readonly kind: 'cancel' };
}
/** The picture of the op at an offset, on the running example; of the default entry where no op is. */
export interface DrawRequest {
  readonly type: 'draw';
  readonly id: number;
  readonly file: WorkerFile;
  readonly offset: number;
}
/** A program as a transformer: compiled where the last one was another, run, and pictured. */
export interface TransformerRequest extends TransformerCall {
  readonly type: 'transformer';
  readonly id: number;
  readonly hostPath: string;
}
/** A program as an ONNX model. */
export interface ModelRequest extends TransformerCall {
  readonly type: 'model';
  readonly id: number;
}
/** What the assignments between two offsets give on the running example. */
export interface ValuesRequest {
  readonly type: 'values';
  readonly id: number;
  readonly file: WorkerFile;
  readonly start: number;
  readonly end: number;
}
/** Lists a file's examples, and runs them if asked. */
export interface ExamplesRequest {
  readonly type: 'examples';
  readonly id: number;
  readonly file: WorkerFile;
  readonly run: boolean;
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
export type WorkerRequest =
  | CheckRequest
  | RepairCall
  | ProvidersRequest
  | InspectRequest
  | ValuesRequest
  | ExamplesRequest
  | ReplRequest
  | DrawRequest
  | TransformerRequest
  | ModelRequest
  | TaskCall
  | CancelRequest;

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

/** A value as one line, at the end of its statement. */
export interface ValueHint {
  readonly offset: number;
  readonly text: string;
}

/** One example; the outcome is absent where it has not been run or there is no program to run. */
export interface ExampleReport {
  readonly label: string;
  readonly span: Span;
  readonly outcome?:
    | { readonly ok: true }
    | { readonly ok: false; readonly message: string; readonly expected: string; readonly actual: string | null };
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
  readonly reports: readonly ProviderReport[];
  /** The fastest that works. */
  readonly chosen: Provider;
}
export interface InspectedReply {
  readonly type: 'inspected';
  readonly id: number;
  readonly value: Inspected | null;
}
export interface ValuesReply {
  readonly type: 'values';
  readonly id: number;
  readonly hints: readonly ValueHint[];
}
export interface ExamplesReply {
  readonly type: 'examples';
  readonly id: number;
  readonly examples: readonly ExampleReport[];
  /** Why they cannot be run. */
  readonly problem: string | null;
}
export interface ReplAnswer {
  readonly type: 'repl';
  readonly id: number;
  readonly reply: ReplReply;
}
export interface DrawnReply {
  readonly type: 'drawn';
  readonly id: number;
  readonly result: { readonly drawing: Drawing; readonly span: Span } | { readonly problem: string };
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
export interface TransformerReply {
  readonly type: 'transformer';
  readonly id: number;
  readonly result: PictureAnswer;
}
export interface ModelReply {
  readonly type: 'model';
  readonly id: number;
  readonly result: ModelAnswer;
}
/** A bug on the other side, told with its message. */
export interface FailedReply {
  readonly type: 'failed';
  readonly id: number;
  readonly message: string;
}
export type WorkerReply =
  | CheckedReply
  | ProgressReply
  | RepairedReply
  | ProvidersReply
  | InspectedReply
  | ValuesReply
  | ExamplesReply
  | ReplAnswer
  | DrawnReply
  | TransformerReply
  | ModelReply
  | FailedReply
  | TaskEventReply
  | TaskReply
  | CancelledReply;

// The editor's worker process: analyses files, runs examples and repairs programs, so that the editor never waits.
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { readCommentRows, readJsonRows } from './exampleRows.ts';
import { describeFailure, examplesPathOf, list, readExamples, runExample, runExamples } from './examples.ts';
import { repair } from './repair.ts';
import { TaskRunner } from './taskRunner.ts';
import { modelOf, Transformers } from './transformerRequest.ts';
import type { Example } from './types.ts';
import type {
  CancelRequest,
  CheckResult,
  DrawRequest,
  ExampleReport,
  ExamplesReply,
  RepairCall,
  ReplRequest,
  TaskCall,
  TransformerRequest,
  ValueHint,
  ValuesRequest,
  WorkerFile,
  WorkerReply,
  WorkerRequest,
} from './workerProtocol.ts';
import type { SourceFile } from '../rasp/analyse.ts';
import { programOf } from '../rasp/analyse.ts';
import { drawingOf } from '../rasp/drawing.ts';
import { analyse } from '../rasp/frontend.ts';
import { inspect } from '../rasp/inspect.ts';
import type { ProgramValues } from '../rasp/inspect.ts';
import { EvaluationError } from '../rasp/interpret.ts';
import { nodeAt } from '../rasp/nodeAt.ts';
import type { Program } from '../rasp/program.ts';
import type { ReplReply } from '../rasp/repl/session.ts';
import { banner, ReplSession } from '../rasp/repl/session.ts';
import { exampleText, oneLine } from '../rasp/valueText.ts';
import { selfCheck } from '../numeric/selfCheck.ts';
import { ModelHost } from '../runtime/client.ts';
import type { Provider } from '../runtime/protocol.ts';
import { chooseProvider, describeProviders, probeProviders } from '../runtime/providers.ts';
import { CancellationSource, CancelledError } from '../shared/cancellation.ts';

/** Failing examples listed for one file. */
const MOST_FAILING = 50;

const hosts = new Map<string, ModelHost>();

function hostAt(hostPath: string, provider: Provider | 'auto' = 'auto'): ModelHost {
  const key = `${provider}:${hostPath}`;
  let host = hosts.get(key);
  if (!host) hosts.set(key, (host = ModelHost.start({ hostPath, ...(provider === 'auto' ? {} : { provider }) })));
  return host;
}

function readSource(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

function examplesOf(file: WorkerFile): ReturnType<typeof readExamples> {
  const besidePath = examplesPathOf(file.path);
  const besideText = readSource(besidePath);
  const beside: SourceFile | undefined = besideText === undefined ? undefined : { path: besidePath, text: besideText };
  return readExamples({ source: { path: file.path, text: file.text }, readSource, ...(beside ? { beside } : {}) });
}

function check(file: WorkerFile, withExamples: boolean): CheckResult {
  const set = examplesOf(file);
  const { analysis } = valuesOf(file);
  const program = programOf(analysis);
  const entry = analysis.entries.at(-1);
  const results = program && withExamples ? runExamples(program, set.examples) : [];
  const failing = results.filter(({ ok }) => !ok);
  return {
    diagnostics: [...analysis.diagnostics, ...set.diagnostics],
    entry: entry ? { name: entry.name, span: entry.nameSpan } : null,
    examples: set.examples.length,
    failing: failing.slice(0, MOST_FAILING).map((result) => ({
      span: result.example.span ?? entry?.nameSpan ?? { file: file.path, start: 0, end: 0 },
      message: describeFailure(result),
    })),
  };
}

interface KeptValues {
  readonly file: WorkerFile;
  readonly values: ProgramValues;
  /** What was read from other files. */
  readonly read: ReadonlyMap<string, string | undefined>;
}
let kept: KeptValues | null = null;

/** The values of a file on its running example; the last file's are kept, for one is asked about many times. */
function valuesOf(file: WorkerFile): ProgramValues {
  if (kept && isSameFile(kept, file)) return kept.values;
  kept = null;
  const read = new Map<string, string | undefined>();
  const readOnce = (path: string): string | undefined => {
    if (!read.has(path)) read.set(path, readSource(path));
    return read.get(path);
  };
  const beside = examplesPathOf(file.path);
  const [row = readJsonRows({ path: beside, text: readOnce(beside) ?? '' }).rows[0]] = readCommentRows(file).rows;
  const values = inspect(file, { dialect: file.dialect, readSource: readOnce, ...(row ? { runningExample: row.input } : {}) });
  kept = { file, values, read };
  return values;
}

function isSameFile({ file, read }: KeptValues, { path, text, dialect }: WorkerFile): boolean {
  if (file.path !== path || file.text !== text || file.dialect !== dialect) return false;
  return [...read].every(([other, known]) => readSource(other) === known);
}

function hints({ file, start, end }: ValuesRequest): ValueHint[] {
  const named = valuesOf(file).named(start, end);
  return named.map(({ end: offset, shown }) => ({ offset, text: oneLine(shown) }));
}

function examples(file: WorkerFile, run: boolean): Pick<ExamplesReply, 'examples' | 'problem'> {
  const set = examplesOf(file);
  const analysis = run ? valuesOf(file).analysis : undefined;
  const program = analysis && programOf(analysis);
  const error = analysis?.diagnostics.find(({ severity }) => severity === 'error');
  const problem = !analysis || program ? null : (error?.message ?? 'There is no s-op that could be run.');
  return { examples: set.examples.map((example) => exampleReport(example, file, program)), problem };
}

function exampleReport(example: Example, file: WorkerFile, program: Program | undefined): ExampleReport {
  const span = example.span ?? { file: file.path, start: 0, end: 0 };
  const label = `${exampleText(example.input)} → ${exampleText(example.output)}`;
  if (!program) return { label, span };
  const result = runExample(program, example);
  if (result.ok) return { label, span, outcome: { ok: true } };
  const actual = 'actual' in result ? list(result.actual) : null;
  return { label, span, outcome: { ok: false, message: describeFailure(result), expected: list(result.expected), actual } };
}

async function repairCall(call: RepairCall): Promise<WorkerReply> {
  const { id, file } = call;
  const set = examplesOf(file);
  const errors = set.diagnostics.filter(({ severity }) => severity === 'error');
  if (errors.length > 0) return { type: 'repaired', id, result: { status: 'refused', diagnostics: errors } };
  const result = await repair(
    {
      source: { path: file.path, text: file.text },
      dialect: file.dialect,
      examples: set.examples,
      method: call.method,
      budgetMillis: call.budgetMillis,
      processes: Math.min(call.processes, availableParallelism()),
      readSource,
    },
    { host: hostAt(call.hostPath, call.provider), ...(process.argv[1] === undefined ? {} : { workerPath: process.argv[1] }) },
    { onProgress: (progress) => send({ type: 'progress', id, progress }) },
  );
  return { type: 'repaired', id, result };
}

async function providers(id: number, hostPath: string): Promise<WorkerReply> {
  const host = hostAt(hostPath);
  const reports = await probeProviders(host, await selfCheck(host));
  return { type: 'providers', id, text: describeProviders(reports), reports, chosen: chooseProvider(reports) };
}

let session: ReplSession | null = null;

function replStep(id: number, step: ReplRequest['step']): WorkerReply {
  if (step.kind === 'open') return { type: 'repl', id, reply: openSession(step.consolePath, step.file) };
  if (!session) throw new Error('no interactive session is open');
  return { type: 'repl', id, reply: step.kind === 'line' ? session.line(step.text) : session.cancel() };
}

function openSession(consolePath: string, file: SourceFile | null): ReplReply {
  // The first load sees the text in the editor, saved or not.
  let unsaved = file;
  session = new ReplSession(consolePath, (name) => (name === unsaved?.path ? unsaved.text : readSource(name)));
  const reply = file ? session.load(path.basename(file.path, '.rasp')) : session.cancel();
  unsaved = null;
  return { ...reply, text: banner + reply.text };
}

function draw({ id, file, offset }: DrawRequest): WorkerReply {
  const [first] = examplesOf(file).examples;
  const analysis = analyse(file, { dialect: file.dialect, readSource, ...(first ? { runningExample: first.input } : {}) });
  const entry = programOf(analysis);
  const found = nodeAt(analysis, offset) ?? (entry && { node: entry.output, name: entry.name });
  if (!found) return { type: 'drawn', id, result: { problem: 'There is no s-op or selector here that could be drawn.' } };
  try {
    const drawing = drawingOf(found.node, found.name, file.dialect, analysis.runningExample ?? [...'hello']);
    return { type: 'drawn', id, result: { drawing, span: found.node.origin.span } };
  } catch (error) {
    if (!(error instanceof EvaluationError)) throw error;
    return { type: 'drawn', id, result: { problem: `${found.name} fails on the running example: ${error.message}. Write “set example …”, or a first row “#: input -> output” that it can take.` } };
  }
}

let runner: TaskRunner | null = null;
/** Tasks under way, by the ids of their calls. */
const underWay = new Map<number, CancellationSource>();

async function taskCall({ id, context, task, millis, provider, hostPath }: TaskCall): Promise<WorkerReply> {
  if (context) runner = new TaskRunner(context, hostAt(hostPath, provider));
  if (!runner) throw new RangeError('the first task brings no context');
  const source = new CancellationSource();
  underWay.set(id, source);
  try {
    const result = await runner.run(task, { millis, token: source.token, onEvent: (event) => send({ type: 'taskEvent', id, event }) });
    return { type: 'task', id, result };
  } catch (error) {
    if (error instanceof CancelledError) return { type: 'cancelled', id };
    throw error;
  } finally {
    underWay.delete(id);
  }
}

let pictured: { readonly hostPath: string; readonly transformers: Transformers } | null = null;

function transformersAt(hostPath: string): Transformers {
  if (pictured?.hostPath !== hostPath) pictured = { hostPath, transformers: new Transformers((file) => examplesOf(file).examples, readSource, () => hostAt(hostPath, 'cpu')) };
  return pictured.transformers;
}

async function transformer({ id, hostPath, ...call }: TransformerRequest): Promise<WorkerReply> {
  return { type: 'transformer', id, result: await transformersAt(hostPath).picture(call) };
}

async function answer(request: Exclude<WorkerRequest, CancelRequest>): Promise<WorkerReply> {
  switch (request.type) {
    case 'check':
      return { type: 'checked', id: request.id, result: check(request.file, request.examples) };
    case 'repair':
      return repairCall(request);
    case 'task':
      return taskCall(request);
    case 'providers':
      return providers(request.id, request.hostPath);
    case 'inspect':
      return { type: 'inspected', id: request.id, value: valuesOf(request.file).at(request.offset) };
    case 'values':
      return { type: 'values', id: request.id, hints: hints(request) };
    case 'examples':
      return { type: 'examples', id: request.id, ...examples(request.file, request.run) };
    case 'repl':
      return replStep(request.id, request.step);
    case 'draw':
      return draw(request);
    case 'transformer':
      return transformer(request);
    case 'model':
      return { type: 'model', id: request.id, result: modelOf(request, (file) => examplesOf(file).examples, readSource) };
  }
}

const send = (reply: WorkerReply): void => void process.send?.(reply);

process.on('message', (request: WorkerRequest) => {
  if (request.type === 'cancel') {
    underWay.get(request.id)?.cancel();
    return;
  }
  void answer(request)
    .catch((error: unknown): WorkerReply => ({ type: 'failed', id: request.id, message: error instanceof Error ? error.message : String(error) }))
    .then(send);
});

process.on('disconnect', () => {
  for (const host of hosts.values()) host.dispose();
  process.exit(0);
});

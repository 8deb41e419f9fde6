// The editor's worker process: analyses files, runs examples and repairs programs, so that the editor never waits.
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { describeFailure, examplesPathOf, readExamples, runExamples } from './examples.ts';
import { repair } from './repair.ts';
import { TaskRunner } from './taskRunner.ts';
import type { CancelRequest, CheckResult, RepairCall, TaskCall, WorkerFile, WorkerReply, WorkerRequest } from './workerProtocol.ts';
import type { SourceFile } from '../rasp/analyse.ts';
import { programOf } from '../rasp/analyse.ts';
import { analyse } from '../rasp/frontend.ts';
import { selfCheck } from '../numeric/selfCheck.ts';
import { ModelHost } from '../runtime/client.ts';
import type { Provider } from '../runtime/protocol.ts';
import { describeProviders, probeProviders } from '../runtime/providers.ts';
import { CancellationSource, CancelledError } from '../shared/cancellation.ts';

/** Failing examples listed for one file. */
const MOST_FAILING = 50;

const hosts = new Map<string, ModelHost>();

function hostAt(path: string, provider: Provider | 'auto' = 'auto'): ModelHost {
  const key = `${provider}:${path}`;
  let host = hosts.get(key);
  if (!host) hosts.set(key, (host = ModelHost.start({ hostPath: path, ...(provider === 'auto' ? {} : { provider }) })));
  return host;
}

function readSource(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function examplesOf({ path, text }: WorkerFile): ReturnType<typeof readExamples> {
  const besidePath = examplesPathOf(path);
  const besideText = readSource(besidePath);
  const beside: SourceFile | undefined = besideText === undefined ? undefined : { path: besidePath, text: besideText };
  return readExamples({ source: { path, text }, readSource, ...(beside ? { beside } : {}) });
}

function check(file: WorkerFile, withExamples: boolean): CheckResult {
  const set = examplesOf(file);
  const [first] = set.examples;
  const analysis = analyse(file, { dialect: file.dialect, readSource, ...(first ? { runningExample: first.input } : {}) });
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
  return { type: 'providers', id, text: describeProviders(await probeProviders(host, await selfCheck(host))) };
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

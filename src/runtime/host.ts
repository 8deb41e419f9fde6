// The model host: the one process that loads the native runtime. It answers one request after the other and holds
// nothing but sessions; whatever dies here takes nothing of the editor with it.
import { createRequire } from 'node:module';
import * as ort from 'onnxruntime-node';
import type { HostReply, HostRequest, HostTensor, IteratedReply, IterateRequest, SessionOptions } from './protocol.ts';
import { unsafeOutput } from './runtimeMessages.ts';

const sessions = new Map<number, ort.InferenceSession>();

async function answer(request: HostRequest): Promise<HostReply> {
  const { id } = request;
  switch (request.type) {
    case 'create': {
      const session = await create(request.model, request.options);
      sessions.set(request.session, session);
      await refuseUnsafeOutputs(request.session, session);
      return { type: 'created', id, inputs: session.inputNames, outputs: session.outputNames };
    }
    case 'run':
      return { type: 'ran', id, outputs: await run(opened(request.session), request.feeds, request.outputs) };
    case 'iterate':
      return { type: 'iterated', id, ...(await iterate(opened(request.session), request)) };
    case 'release':
      await sessions.get(request.session)?.release();
      sessions.delete(request.session);
      return { type: 'released', id };
    case 'backends':
      return { type: 'backends', id, backends: ort.listSupportedBackends(), version: runtimeVersion() };
  }
}

async function refuseUnsafeOutputs(id: number, session: ort.InferenceSession): Promise<void> {
  const message = unsafeOutput(session.outputMetadata);
  if (message === null) return;
  sessions.delete(id);
  await session.release();
  throw new Error(message);
}

function opened(id: number): ort.InferenceSession {
  const session = sessions.get(id);
  if (!session) throw new Error(`the session ${id} is not open`);
  return session;
}

function create(model: Uint8Array | string, { provider, optimization, threads }: SessionOptions): Promise<ort.InferenceSession> {
  const options: ort.InferenceSession.SessionOptions = {
    executionProviders: provider === 'cpu' ? ['cpu'] : [provider, 'cpu'],
    graphOptimizationLevel: optimization,
    logSeverityLevel: 3,
    intraOpNumThreads: threads,
    // Waiting threads sleep instead of spinning: half the CPU at two threads.
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  };
  return typeof model === 'string' ? ort.InferenceSession.create(model, options) : ort.InferenceSession.create(model, options);
}

async function run(
  session: ort.InferenceSession,
  feeds: Readonly<Record<string, HostTensor>>,
  outputs: readonly string[] | undefined,
): Promise<Record<string, HostTensor>> {
  const results = await session.run(toRuntime(feeds), outputs ? [...outputs] : [...session.outputNames]);
  return fromRuntime(results);
}

type Tensors = Record<string, ort.Tensor>;

async function iterate(session: ort.InferenceSession, { state, steps, carry, outputs }: IterateRequest): Promise<Pick<IteratedReply, 'state' | 'outputs'>> {
  let carried = toRuntime(state);
  const wanted = [...new Set([...outputs, ...Object.values(carry)])];
  const series: Record<string, HostTensor>[] = [];
  for (const feeds of steps) {
    const results = await session.run({ ...toRuntime(feeds), ...carried }, wanted);
    carried = pick(results, carry);
    series.push(fromRuntime(pick(results, Object.fromEntries(outputs.map((name) => [name, name])))));
  }
  return { state: fromRuntime(carried), outputs: series };
}

function pick(results: Readonly<Tensors>, names: Readonly<Record<string, string>>): Tensors {
  return Object.fromEntries(Object.entries(names).map(([name, output]) => {
    const tensor = results[output];
    if (!tensor) throw new Error(`the model has no output ${output}`);
    return [name, tensor];
  }));
}

function toRuntime(tensors: Readonly<Record<string, HostTensor>>): Tensors {
  const entries = Object.entries(tensors).map(([name, { type, dims, data }]) => [name, new ort.Tensor(type as 'float32', data as Float32Array, [...dims])] as const);
  return Object.fromEntries(entries);
}

function fromRuntime(results: Readonly<Tensors>): Record<string, HostTensor> {
  const entries = Object.entries(results).map(([name, { type, dims, data }]) => [name, { type: type as HostTensor['type'], dims, data: data as Float32Array }] as const);
  return Object.fromEntries(entries);
}

function runtimeVersion(): string {
  const { version } = createRequire(__filename)('onnxruntime-node/package.json') as { version: string };
  return version;
}

let queue: Promise<void> = Promise.resolve();

process.on('message', (request: HostRequest) => {
  queue = queue.then(async () => {
    let reply: HostReply;
    try {
      reply = await answer(request);
    } catch (error) {
      reply = { type: 'failed', id: request.id, message: error instanceof Error ? error.message : String(error) };
    }
    process.send?.(reply);
  });
});

// Without a parent nobody can ask for anything.
process.on('disconnect', () => process.exit(0));

process.send?.({ type: 'ready', id: 0 } satisfies HostReply);

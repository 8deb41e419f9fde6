// The model host: the one process that loads the native runtime. It answers one request after the other and holds
// nothing but sessions and caches; whatever dies here takes nothing of the editor with it.
import { createRequire } from 'node:module';
import * as ort from 'onnxruntime-node';
import type { CacheUse, CreateRequest, HostReply, HostRequest, HostTensor, IteratedReply, IterateRequest, RunRequest, Slot } from './protocol.ts';
import { unsafeOutput } from './runtimeMessages.ts';

const sessions = new Map<number, ort.InferenceSession>();
const caches = new Map<number, Readonly<Tensors>>();

class CacheLost extends Error {}

async function answer(request: HostRequest): Promise<HostReply> {
  const { id } = request;
  switch (request.type) {
    case 'create': {
      const session = await create(request);
      sessions.set(request.session, session);
      await refuseUnsafeOutputs(request.session, session);
      return { type: 'created', id, inputs: session.inputMetadata.map(slot), outputs: session.outputMetadata.map(slot) };
    }
    case 'run':
      return { type: 'ran', id, outputs: await run(opened(request.session), request) };
    case 'iterate':
      return { type: 'iterated', id, ...(await iterate(opened(request.session), request)) };
    case 'release':
      await sessions.get(request.session)?.release();
      sessions.delete(request.session);
      return { type: 'released', id };
    case 'forget':
      for (const cache of request.caches) caches.delete(cache);
      return { type: 'forgotten', id };
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

function create({ model, dataFolder, options: { provider, optimization, threads } }: CreateRequest): Promise<ort.InferenceSession> {
  const options: ort.InferenceSession.SessionOptions = {
    executionProviders: provider === 'cpu' ? ['cpu'] : [provider, 'cpu'],
    graphOptimizationLevel: optimization,
    logSeverityLevel: 3,
    intraOpNumThreads: threads,
    // Waiting threads sleep instead of spinning: half the CPU at two threads.
    extra: { session: { intra_op: { allow_spinning: '0' }, set_denormal_as_zero: '1', ...(dataFolder === undefined ? {} : { model_external_initializers_file_folder_path: dataFolder }) } },
  };
  return typeof model === 'string' ? ort.InferenceSession.create(model, options) : ort.InferenceSession.create(model, options);
}

/** Operators give what is no tensor (a sequence, a map) without type or dimensions. */
const slot = (value: ort.InferenceSession.ValueMetadata): Slot =>
  value.isTensor ? { name: value.name, type: value.type as Slot['type'], dims: value.shape } : { name: value.name, type: 'float32', dims: [] };

async function run(session: ort.InferenceSession, { feeds, outputs, slices = {}, cache }: Omit<RunRequest, 'type' | 'id' | 'session'>): Promise<Record<string, HostTensor>> {
  const wanted = outputs ?? session.outputNames;
  const carried = cache?.to === undefined ? [] : Object.values(cache.carry);
  const results = await session.run({ ...toRuntime(feeds), ...cached(cache) }, [...new Set([...wanted, ...carried])]);
  if (cache?.to !== undefined) caches.set(cache.to, pick(results, cache.carry));
  const sent = fromRuntime(pick(results, Object.fromEntries(wanted.map((name) => [name, name]))));
  return Object.fromEntries(Object.entries(sent).map(([name, tensor]) => [name, part(tensor, slices[name])]));
}

function cached(cache: CacheUse | undefined): Readonly<Tensors> {
  if (cache?.from === undefined) return {};
  const tensors = caches.get(cache.from);
  if (!tensors) throw new CacheLost('the cache is not there: the process that held it has ended');
  return tensors;
}

/** The positions [start, end) along axis 1 of a tensor [batch, positions, …]. */
function part(tensor: HostTensor, range: readonly [number, number?] | undefined): HostTensor {
  const [batch, length, ...rest] = tensor.dims;
  if (!range || batch === undefined || length === undefined) return tensor;
  const row = rest.reduce((size, dim) => size * dim, 1);
  const [start = 0, end = 0] = [range[0], range[1] ?? length].map((at) => Math.max(0, Math.min(length, at < 0 ? length + at : at)));
  const width = Math.max(0, end - start);
  const data = tensor.data.slice(0, batch * width * row);
  for (let b = 0; b < batch; b++) data.set(tensor.data.subarray((b * length + start) * row, (b * length + start + width) * row) as never, b * width * row);
  return { type: tensor.type, dims: [batch, width, ...rest], data };
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
      reply = { type: 'failed', id: request.id, message: error instanceof Error ? error.message : String(error), ...(error instanceof CacheLost ? { cacheLost: true } : {}) };
    }
    process.send?.(reply);
  });
});

// Without a parent nobody can ask for anything.
process.on('disconnect', () => process.exit(0));

process.send?.({ type: 'ready', id: 0 } satisfies HostReply);

// The model host: the one process that loads the native runtime. It answers one request after the other and holds
// nothing but sessions and caches; whatever dies here takes nothing of the editor with it.
import { createRequire } from 'node:module';
import * as ort from 'onnxruntime-node';
import type { LoopRuntime } from './decodeLoop.ts';
import { decodeTokens } from './decodeLoop.ts';
import { decodePair } from './decodePair.ts';
import { identityModel } from './identityModel.ts';
import type { CacheUse, CreateRequest, DecodedToken, DecodeLane, DecodeRequest, HostReply, HostRequest, HostTensor, IteratedReply, IterateRequest, PairedToken, PairRequest, RunRequest, SessionOptions, Slot } from './protocol.ts';
import { missingProvider, unsafeOutput } from './runtimeMessages.ts';

interface Cache {
  /** The session that made it. */
  readonly session: number;
  readonly tensors: Readonly<Tensors>;
}

const sessions = new Map<number, ort.InferenceSession>();
const caches = new Map<number, Cache>();

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
    case 'decode':
      return { type: 'decoded', id, tokens: await decode(request) };
    case 'pair':
      return { type: 'paired', id, steps: await pair(request) };
    case 'iterate':
      return { type: 'iterated', id, ...(await iterate(opened(request.session), request)) };
    case 'release':
      await release(request.session);
      return { type: 'released', id };
    case 'forget':
      request.caches.forEach(forget);
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

/** Tensors in the device's memory must not outlive their session: the native runtime aborts. */
async function release(id: number): Promise<void> {
  for (const [cache, { session, tensors }] of caches) {
    if (session === id && Object.values(tensors).some(({ location }) => location !== 'cpu')) forget(cache);
  }
  await sessions.get(id)?.release();
  sessions.delete(id);
}

function forget(cache: number): void {
  free(caches.get(cache)?.tensors ?? {});
  caches.delete(cache);
}

function free(tensors: Readonly<Tensors>): void {
  for (const tensor of new Set(Object.values(tensors))) {
    if (tensor.location !== 'cpu') tensor.dispose();
  }
}

function opened(id: number): ort.InferenceSession {
  const session = sessions.get(id);
  if (!session) throw new Error(`the session ${id} is not open`);
  return session;
}

async function create({ model, dataFolder, options: { provider, optimization, threads, onDevice = [], memoryPattern = true } }: CreateRequest): Promise<ort.InferenceSession> {
  const missing = missingProvider(provider, ort.listSupportedBackends().map(({ name }) => name));
  if (missing !== null) throw new Error(missing);
  const options: ort.InferenceSession.SessionOptions = {
    executionProviders: provider === 'cpu' ? ['cpu'] : [provider, 'cpu'],
    graphOptimizationLevel: optimization,
    logSeverityLevel: 3,
    enableMemPattern: memoryPattern,
    intraOpNumThreads: threads,
    ...(provider === 'webgpu' && onDevice.length > 0 ? { preferredOutputLocation: Object.fromEntries(onDevice.map((name) => [name, 'gpu-buffer' as const])) } : {}),
    // Waiting threads sleep instead of spinning: half the CPU at two threads.
    extra: { session: { intra_op: { allow_spinning: '0' }, set_denormal_as_zero: '1', ...(dataFolder === undefined ? {} : { model_external_initializers_file_folder_path: dataFolder }) } },
  };
  return typeof model === 'string' ? ort.InferenceSession.create(model, options) : ort.InferenceSession.create(model, options);
}

/** Operators give what is no tensor (a sequence, a map) without type or dimensions. */
const slot = (value: ort.InferenceSession.ValueMetadata): Slot =>
  value.isTensor ? { name: value.name, type: value.type as Slot['type'], dims: value.shape } : { name: value.name, type: 'float32', dims: [] };

async function run(session: ort.InferenceSession, { session: request, feeds, outputs, slices = {}, cache }: RunRequest): Promise<Record<string, HostTensor>> {
  const wanted = outputs ?? session.outputNames;
  const carried = cache?.to === undefined ? [] : Object.values(cache.carry);
  const results = await session.run({ ...toRuntime(feeds), ...cached(cache) }, [...new Set([...wanted, ...carried])]);
  const sent = await fromRuntime(pick(results, named(wanted)));
  const kept = cache?.to === undefined ? {} : pick(results, cache.carry);
  if (cache?.to !== undefined) caches.set(cache.to, { session: request, tensors: kept });
  const stays = new Set(Object.values(kept));
  free(Object.fromEntries(Object.entries(results).filter(([, tensor]) => !stays.has(tensor))));
  cache?.forget?.forEach(forget);
  return Object.fromEntries(Object.entries(sent).map(([name, tensor]) => [name, part(tensor, slices[name])]));
}

const named = (names: readonly string[]): Record<string, string> => Object.fromEntries(names.map((name) => [name, name]));

function cached(cache: CacheUse | undefined): Readonly<Tensors> {
  if (cache?.from === undefined) return {};
  const kept = caches.get(cache.from);
  if (!kept) throw new CacheLost('the cache is not there: the process or the session that held it has ended');
  return kept.tensors;
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

const identityOptions: SessionOptions = { provider: 'webgpu', optimization: 'disabled', threads: 1 };
const identityRequest = { type: 'create', id: 0, session: 0, options: identityOptions } as const;

async function decode(request: DecodeRequest): Promise<readonly DecodedToken[]> {
  const { tokens, state } = await decodeTokens(request, cached(request.cache), loopRuntime(request));
  keep(request, state);
  return tokens;
}

async function pair(request: PairRequest): Promise<readonly PairedToken[]> {
  const [first, second] = request.lanes;
  const side = (lane: DecodeLane) => ({ cache: cached(lane.cache), runtime: loopRuntime(lane, request.reads) });
  const { steps, states } = await decodePair<ort.Tensor>(request, [side(first), side(second)]);
  // Both may have gone on from one cache: nothing is forgotten before both are kept.
  keep({ ...first, cache: { ...first.cache, forget: [] } }, states[0]);
  keep({ ...second, cache: { ...second.cache, forget: [...(first.cache.forget ?? []), ...(second.cache.forget ?? [])] } }, states[1]);
  return steps;
}

function keep({ session, cache }: DecodeLane, tensors: Readonly<Tensors>): void {
  caches.set(cache.to, { session, tensors });
  cache.forget?.forEach(forget);
}

function loopRuntime({ cache, embedding, ...request }: DecodeLane, reads: readonly string[] = []): LoopRuntime<ort.Tensor> {
  const [session, embed, rest] = [opened(request.session), embedding ? opened(embedding.session) : null, request.rest ? opened(request.rest.session) : null];
  const wanted = ['logits', ...Object.values(cache.carry), ...reads];
  return {
    tensor: (type, dims, data) => new ort.Tensor(type as 'float32', data as Float32Array, dims),
    run: (feeds) => session.run(feeds, wanted),
    rest: (feeds) => (rest ?? session).run(feeds, wanted),
    embed: (feeds) => (embed ? embed.run(feeds) : Promise.resolve({})),
    free: (tensor) => free({ tensor }),
  };
}

async function iterate(session: ort.InferenceSession, { state, steps, carry, outputs }: IterateRequest): Promise<Pick<IteratedReply, 'state' | 'outputs'>> {
  let carried = toRuntime(state);
  const wanted = [...new Set([...outputs, ...Object.values(carry)])];
  const series: Record<string, HostTensor>[] = [];
  for (const feeds of steps) {
    const results = await session.run({ ...toRuntime(feeds), ...carried }, wanted);
    free(carried);
    carried = pick(results, carry);
    series.push(await fromRuntime(pick(results, named(outputs))));
  }
  const last = await fromRuntime(carried);
  free(carried);
  return { state: last, outputs: series };
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

async function fromRuntime(results: Readonly<Tensors>): Promise<Record<string, HostTensor>> {
  const sent: Record<string, HostTensor> = {};
  for (const [name, tensor] of Object.entries(results)) {
    const { type, dims, data } = tensor.location === 'cpu' ? tensor : await downloaded(tensor);
    sent[name] = { type: type as HostTensor['type'], dims, data: data as Float32Array };
  }
  return sent;
}

/** By element type. They read tensors from the device: the native runtime's own getData() aborts the process. */
const downloads = new Map<string, Promise<ort.InferenceSession>>();

async function downloaded(tensor: ort.Tensor): Promise<ort.Tensor> {
  const session = downloads.get(tensor.type) ?? create({ ...identityRequest, model: identityModel(tensor.type as HostTensor['type']) });
  downloads.set(tensor.type, session);
  const { y } = await (await session).run({ x: tensor });
  if (!y) throw new Error('the tensor could not be read from the device');
  return y;
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

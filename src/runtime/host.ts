// The model host: the one process that loads the native runtime. It answers one request after the other and holds
// nothing but sessions; whatever dies here takes nothing of the editor with it.
import { createRequire } from 'node:module';
import * as ort from 'onnxruntime-node';
import type { HostReply, HostRequest, HostTensor, SessionOptions } from './protocol.ts';

const sessions = new Map<number, ort.InferenceSession>();

async function answer(request: HostRequest): Promise<HostReply> {
  const { id } = request;
  switch (request.type) {
    case 'create': {
      const session = await create(request.model, request.options);
      sessions.set(request.session, session);
      return { type: 'created', id, inputs: session.inputNames, outputs: session.outputNames };
    }
    case 'run': {
      const session = sessions.get(request.session);
      if (!session) throw new Error(`the session ${request.session} is not open`);
      return { type: 'ran', id, outputs: await run(session, request.feeds, request.outputs) };
    }
    case 'release':
      await sessions.get(request.session)?.release();
      sessions.delete(request.session);
      return { type: 'released', id };
    case 'backends':
      return { type: 'backends', id, backends: ort.listSupportedBackends(), version: runtimeVersion() };
  }
}

function create(model: Uint8Array | string, { provider, optimization }: SessionOptions): Promise<ort.InferenceSession> {
  const options: ort.InferenceSession.SessionOptions = {
    executionProviders: provider === 'cpu' ? ['cpu'] : [provider, 'cpu'],
    graphOptimizationLevel: optimization,
    logSeverityLevel: 3,
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
  const inputs: Record<string, ort.Tensor> = {};
  for (const [name, { type, dims, data }] of Object.entries(feeds)) {
    inputs[name] = new ort.Tensor(type as 'float32', data as Float32Array, [...dims]);
  }
  const results = await session.run(inputs, outputs ? [...outputs] : [...session.outputNames]);
  const tensors: Record<string, HostTensor> = {};
  for (const [name, value] of Object.entries(results)) {
    tensors[name] = { type: value.type as HostTensor['type'], dims: value.dims, data: value.data as Float32Array };
  }
  return tensors;
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

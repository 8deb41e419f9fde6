// The process of the models is killed in the middle of each kind of work: the work fails with an error that says to try again, or goes on by itself.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'mocha';
import { scoreContinuations } from '../../src/lm/score.ts';
import type { DecoderModel } from '../../src/lm/session.ts';
import { openDecoder } from '../../src/lm/session.ts';
import { TokenStream } from '../../src/lm/tokenStream.ts';
import { GraphBuilder } from '../../src/onnx/builder.ts';
import { differentiate, gradientName } from '../../src/onnx/differentiate.ts';
import { encodeGraph } from '../../src/onnx/encode.ts';
import type { Graph } from '../../src/onnx/graph.ts';
import { measureShapes } from '../../src/onnx/shapes.ts';
import type { ModelHost } from '../../src/runtime/client.ts';
import { CacheLostError, HostDiedError, survivingDeaths } from '../../src/runtime/client.ts';
import type { HostTensor } from '../../src/runtime/protocol.ts';
import { CancellationSource, CancelledError } from '../../src/shared/cancellation.ts';
import { Random } from '../../src/shared/random.ts';
import { smallDecoder } from '../support/decoders.ts';
import { execute, startHost } from '../support/host.ts';
import { endlessModel, hostileFeeds } from '../support/hostileModels.ts';

const pause = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis));
const scalar = (value: number): HostTensor => ({ type: 'float32', dims: [], data: Float32Array.of(value) });

/** y = mean of tanh(x · A)², A of `size` squared numbers that the runtime draws or is given. */
function product(size: number, weights: 'input' | 'computed' = 'input'): Graph {
  const b = new GraphBuilder();
  b.input('x', 'float32', ['rows', size]);
  if (weights === 'input') b.input('a', 'float32', [size, size]);
  const shape = b.initializer('shape', { type: 'int64', dims: [2], data: BigInt64Array.of(BigInt(size), BigInt(size)) });
  // Constants are multiplied while the model is opened.
  const ones = weights === 'input' ? 'a' : b.node('MatMul', [b.node('ConstantOfShape', [shape]), b.node('ConstantOfShape', [shape])]);
  const tanh = b.node('Tanh', [b.node('MatMul', ['x', ones])]);
  b.node('ReduceMean', [b.node('Mul', [tanh, tanh])], { keepdims: 0 }, 'y');
  b.output('y', 'float32', []);
  return b.build();
}

const square = (size: number, seed: number): HostTensor => ({ type: 'float32', dims: [size, size], data: Float32Array.from({ length: size * size }, (_, i) => (((i * (2 * seed + 5)) % 17) - 8) / 400) });

/** Bit for bit; the assertions' own comparison takes seconds for a million numbers. */
function assertSame(found: HostTensor | undefined, expected: HostTensor | undefined): void {
  assert.ok(found && expected);
  const bytes = ({ data: { buffer, byteOffset, byteLength } }: HostTensor): Buffer => Buffer.from(buffer, byteOffset, byteLength);
  assert.ok(bytes(found).equals(bytes(expected)));
}

const decoderModel = (graph: Graph): DecoderModel => ({ graph, source: encodeGraph(graph) });

describe('death of the model host', () => {
  let host: ModelHost;
  before(() => {
    host = startHost();
  });
  afterEach(() => {
    // Deaths within a minute are counted: each test has a process of its own.
    host.dispose();
    host = startHost();
  });
  after(() => host.dispose());

  const kill = (): void => {
    assert.ok(host.pid !== undefined);
    process.kill(host.pid, 'SIGKILL');
  };

  /** Kills the idle process and waits until that is known here. */
  async function killIdle(): Promise<void> {
    const { pid } = host;
    kill();
    while (host.pid === pid) await pause(5);
  }

  /** Kills the process while the work runs; on a slow machine the work may end before, and is begun again. */
  async function killedDuring<T>(work: () => Promise<T>, millis = 40): Promise<HostDiedError> {
    // The process may still be dying of an attempt that came too late.
    await survivingDeaths(() => host.backends());
    const outcome = work().then(() => null, (error: unknown) => error);
    await pause(millis);
    const { pid } = host;
    kill();
    const error = await outcome;
    if (error === null) {
      while (host.pid === pid) await pause(5);
      assert.ok(millis > 1, 'the work ended each time before it was killed');
      return killedDuring(work, millis / 2);
    }
    assert.ok(error instanceof HostDiedError, String(error));
    assert.match(error.message, /^The model host ended by signal SIGKILL while it was working; try again\./);
    return error;
  }

  it('while a model is opened says which, and another attempt opens it', async () => {
    const model = encodeGraph(product(1500, 'computed'));
    const error = await killedDuring(async () => (await host.createSession(model, { threads: 1 })).release());
    assert.match(error.message, /It was asked to open graph 1: if that ends it again, the file is damaged or needs more memory than there is\.$/);
    const session = await host.createSession(model, { threads: 1, optimization: 'disabled' });
    assert.deepEqual(session.inputNames, ['x']);
  });

  it('while a model runs fails the run, and the next run opens the model again', async () => {
    const session = await host.createSession(encodeGraph(product(1200)), { threads: 1 });
    const feeds = { x: square(1200, 1), a: square(1200, 2) };
    const before = await session.run(feeds);
    const { pid } = host;
    await killedDuring(() => Promise.all([session.run(feeds), session.run(feeds)]), 60);
    assert.deepEqual(await session.run(feeds), before);
    assert.notEqual(host.pid, pid);
  });

  it('while a training iterates loses those steps only: from the state before them it comes to the same state', async () => {
    const b = new GraphBuilder();
    b.input('w', 'float32', [500, 500]);
    b.input('rate', 'float32', []);
    b.node('Sub', ['w', b.node('Mul', ['rate', b.node('Tanh', [b.node('MatMul', ['w', 'w'])])])], {}, 'next');
    b.output('next', 'float32', [500, 500]);
    const session = await host.createSession(encodeGraph(b.build()), { threads: 1 });
    const steps = Array.from({ length: 60 }, (_, i) => ({ rate: scalar(0.01 / (i + 1)) }));
    const iterate = (state: Readonly<Record<string, HostTensor>>, of: typeof steps): ReturnType<typeof session.iterate> => session.iterate({ state, steps: of, carry: { w: 'next' }, outputs: [] });
    const whole = await iterate({ w: square(500, 3) }, steps);
    const half = await iterate({ w: square(500, 3) }, steps.slice(0, 30));
    await killedDuring(() => iterate(half.state, steps.slice(30)), 30);
    const rest = await survivingDeaths(() => iterate(half.state, steps.slice(30)));
    assertSame(rest.state['w'], whole.state['w']);
  });

  it('while a gradient runs fails it, and another attempt gives the same', async () => {
    const graph = product(700);
    const shapes = await measureShapes(graph, [{ x: { type: 'float32', dims: [1, 700], data: new Float32Array(700) }, a: square(700, 1) }, { x: { type: 'float32', dims: [2, 700], data: new Float32Array(1400) }, a: square(700, 1) }], execute);
    const gradient = encodeGraph(differentiate(graph, { loss: 'y', withRespectTo: ['a'], shapes }));
    const session = await host.createSession(gradient, { threads: 1 });
    const run = (): ReturnType<typeof session.run> => session.run({ x: square(700, 1), a: square(700, 2) }, { outputs: [gradientName('a')] });
    const before = await run();
    await killedDuring(run, 50);
    assertSame((await run())[gradientName('a')], before[gradientName('a')]);
  });

  it('while texts are scored is not noticed, but in the log', async () => {
    const lines: string[] = [];
    host.dispose();
    host = startHost({ log: (line) => lines.push(line) });
    const opened = await openDecoder(host, { ...decoderModel(smallDecoder({ form: 'llama', layers: 6 })), options: { threads: 1 } });
    assert.ok(opened.ok);
    const random = new Random(4);
    const tokens = (length: number): number[] => Array.from({ length }, () => random.integer(0, 10));
    const items = Array.from({ length: 240 }, () => ({ prompt: tokens(20), continuation: tokens(60) }));
    const before = await scoreContinuations(opened.decoder, items);
    const scored = scoreContinuations(opened.decoder, items);
    await pause(30);
    kill();
    assert.deepEqual(await scored, before);
    assert.match(lines.join('\n'), /model host ended by signal SIGKILL/);
  });

  it('at any moment of a stream of tokens is not noticed: what was kept is made again', async () => {
    const opened = await openDecoder(host, decoderModel(cachedDecoder()));
    assert.ok(opened.ok && opened.decoder.hasCache);
    const run = async (killAt: number): Promise<number[][]> => {
      const stream = new TokenStream({ decoder: opened.decoder }, true);
      const logits: number[][] = [];
      for (let i = 0; i < 5; i++) {
        const next = stream.append([i + 1]);
        if (i === killAt) kill();
        logits.push([...(await next)]);
        if (i === killAt - 1) await pause(5);
      }
      await stream.close();
      return logits;
    };
    const before = await run(-1);
    assert.ok(before.some((row) => row.some((value) => value !== 0)));
    for (const killAt of [0, 3]) assert.deepEqual(await run(killAt), before, `killed at token ${killAt + 1}`);
  });

  it('between two runs is noticed by who kept a cache there, and by no one else', async () => {
    const session = await host.createSession(encodeGraph(cachedDecoder()));
    const [past, next] = ['past_key_values.0.key', 'present.0.key'];
    const carry = { [past]: next };
    const feeds = { input_ids: { type: 'int64', dims: [1, 1], data: BigInt64Array.of(3n) } } as const;
    const empty: HostTensor = { type: 'float32', dims: [1, 1, 0, 4], data: new Float32Array(0) };
    const cache = host.newCache();
    await session.run({ ...feeds, [past]: empty }, { cache: { to: cache, carry } });
    const before = await session.run(feeds, { cache: { from: cache, carry } });
    await killIdle();
    await assert.rejects(session.run(feeds, { cache: { from: cache, carry } }), CacheLostError);
    await session.run({ ...feeds, [past]: empty }, { cache: { to: cache, carry } });
    assert.deepEqual(await session.run(feeds, { cache: { from: cache, carry } }), before);
  });

  it('by a cancelled run that would never end is told to that run as a cancellation, to the others as a death', async () => {
    const endless = await host.createSession(endlessModel());
    const source = new CancellationSource();
    const cancelled = assert.rejects(endless.run(hostileFeeds, { token: source.token }), CancelledError);
    await pause(50);
    const other = await Promise.race([host.createSession(encodeGraph(product(10))).then(() => null, (error: unknown) => error), pause(50).then(() => 'waits')]);
    assert.equal(other, 'waits');
    const waiting = host.createSession(encodeGraph(product(20)));
    const survivor = survivingDeaths(() => waiting.catch(() => host.createSession(encodeGraph(product(20)))));
    source.cancel();
    await cancelled;
    assert.deepEqual((await survivor).inputNames, ['x', 'a']);
    await assert.rejects(waiting, (error) => error instanceof HostDiedError && /was stopped to cancel a run; try again/.test(error.message));
    await assert.rejects(endless.run(hostileFeeds, { token: source.token }), CancelledError);
  });

  it('again and again is not answered with a new process for ever', async () => {
    const session = await host.createSession(encodeGraph(product(10)));
    const feeds = { x: square(10, 1), a: square(10, 2) };
    for (let i = 0; i < 4; i++) {
      await session.run(feeds);
      await killIdle();
    }
    await assert.rejects(session.run(feeds), /^HostDiedError: The model host ended 4 times within a minute and is not started again\./);
  });
});

/** Sums the embeddings of all tokens so far, which it keeps. */
function cachedDecoder(): Graph {
  const b = new GraphBuilder();
  const random = new Random(6);
  const drawn = (...dims: number[]) => ({ type: 'float32', dims, data: Float32Array.from({ length: dims.reduce((a, size) => a * size) }, () => random.normal()) }) as const;
  b.input('input_ids', 'int64', ['batch', 'sequence']);
  b.input('past_key_values.0.key', 'float32', ['batch', 1, 'past', 4]);
  const axis = b.initializer('axis', { type: 'int64', dims: [1], data: BigInt64Array.of(1n) });
  const embedded = b.node('Unsqueeze', [b.node('Gather', [b.initializer('table', drawn(11, 4)), 'input_ids']), axis]);
  b.node('Concat', ['past_key_values.0.key', embedded], { axis: 2 }, 'present.0.key');
  const summed = b.node('ReduceSum', ['present.0.key', b.initializer('positions', { type: 'int64', dims: [1], data: BigInt64Array.of(2n) })], { keepdims: 1 });
  b.node('MatMul', [b.node('Squeeze', [b.node('Add', [embedded, summed]), axis]), b.initializer('head', drawn(4, 11))], {}, 'logits');
  b.output('logits', 'float32', ['batch', 'sequence', 11]);
  b.output('present.0.key', 'float32', ['batch', 1, 'total', 4]);
  return b.build();
}

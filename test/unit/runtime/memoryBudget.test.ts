// Models share a memory budget: the least recently used one makes room, opens again when it is used, and what cannot fit is refused at once.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { after, afterEach, before, describe, it } from 'mocha';
import { GraphBuilder } from '../../../src/onnx/builder.ts';
import { encodeGraph } from '../../../src/onnx/encode.ts';
import type { Graph } from '../../../src/onnx/graph.ts';
import type { ModelHost, Session } from '../../../src/runtime/client.ts';
import { RuntimeError } from '../../../src/runtime/client.ts';
import { budgetOf, freeMemory, roomFor, tooLarge } from '../../../src/runtime/memoryBudget.ts';
import { smallerVariants } from '../../../src/runtime/modelSize.ts';
import type { HostTensor } from '../../../src/runtime/protocol.ts';
import { startHost } from '../../support/host.ts';

describe('room for a model', () => {
  const model = fc.record({ bytes: fc.integer({ min: 0, max: 100 }), busy: fc.boolean() });
  const cases = fc.record({ wanted: fc.integer({ min: 0, max: 120 }), held: fc.array(model, { maxLength: 8 }), budget: fc.integer({ min: 0, max: 250 }) });
  const sum = (models: readonly { bytes: number }[]): number => models.reduce((total, { bytes }) => total + bytes, 0);

  it('is made by as few of the least recently used idle models as it takes, or waits for a busy one, or is refused', () => {
    const seen = new Set<string>();
    fc.assert(fc.property(cases, fc.uniqueArray(fc.nat(1000), { minLength: 8, maxLength: 8 }), ({ wanted, held, budget }, uses) => {
      const models = held.map((one, i) => ({ ...one, lastUse: uses[i] ?? 0 }));
      const room = roomFor(wanted, models, budget);
      seen.add(room.kind);
      const idle = models.filter(({ busy }) => !busy);
      if (room.kind === 'tooLarge') return assert.ok(wanted > budget);
      assert.ok(wanted <= budget);
      if (room.kind === 'wait') {
        assert.ok(sum(models) - sum(idle) + wanted > budget, 'evicting every idle model would not do');
        return assert.ok(room.busy.length > 0 && room.busy.every(({ busy }) => busy));
      }
      const kept = models.filter((one) => !room.evict.includes(one));
      assert.ok(sum(kept) + wanted <= budget);
      assert.ok(room.evict.every(({ busy }) => !busy));
      const oldestKept = Math.min(...kept.filter(({ busy }) => !busy).map(({ lastUse }) => lastUse));
      assert.ok(room.evict.every(({ lastUse }) => lastUse < oldestKept), 'none that was used later goes first');
      const last = room.evict.at(-1);
      if (last) assert.ok(sum(kept) + last.bytes + wanted > budget, 'the last one had to go');
    }), { numRuns: 2000 });
    assert.deepEqual([...seen].sort(), ['fits', 'tooLarge', 'wait']);
  });

  it('is four fifths of what is free and what models hold already', () => {
    assert.equal(budgetOf(800, 200), 800);
    assert.ok(freeMemory() > 2 ** 20);
  });
});

/** y = x · W with a W of so many numbers. */
function sized(rows: number, seed: number): Uint8Array {
  const b = new GraphBuilder();
  b.input('x', 'float32', [1, rows]);
  b.initializer('w', { type: 'float32', dims: [rows, 4], data: Float32Array.from({ length: 4 * rows }, (_, i) => ((i * seed) % 7) - 3) });
  b.node('MatMul', ['x', 'w'], {}, 'y');
  b.output('y', 'float32', [1, 4]);
  return encodeGraph(b.build());
}

const ones = (size: number): HostTensor => ({ type: 'float32', dims: [1, size], data: new Float32Array(size).fill(1) });
const ROWS = 16 * 1024;
const QUARTER = 4 * ROWS * 4;

describe('memory budget of the model host', () => {
  let host: ModelHost;
  const lines: string[] = [];
  const folder = mkdtempSync(path.join(tmpdir(), 'gradlens-budget-'));
  before(() => {
    // Room for two models of 256 KiB.
    host = startHost({ memoryBudgetBytes: 2.5 * QUARTER, log: (line) => lines.push(line) });
  });
  afterEach(() => lines.splice(0));
  after(() => {
    host.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  const closedFor = (): string[] => lines.map((line) => /model host: (graph \d+) .* is closed to make room for (graph \d+) .*; it opens again when it is used/.exec(line)?.slice(1, 3).join(' for ') ?? line);
  const run = async (session: Session): Promise<unknown> => Array.from((await session.run({ x: ones(ROWS) }))['y']?.data as Float32Array);

  it('closes the model that was used longest ago, and opens it again when it is used', async () => {
    const [first, second] = [await host.createSession(sized(ROWS, 1)), await host.createSession(sized(ROWS, 2))];
    const [before1, before2] = [await run(first), await run(second)];
    await run(first);
    const third = await host.createSession(sized(ROWS, 3));
    assert.deepEqual(closedFor(), [`${second.name} for ${third.name}`]);
    assert.deepEqual(await run(second), before2);
    assert.deepEqual(closedFor().slice(1), [`${first.name} for ${second.name}`]);
    const { pid } = host;
    assert.deepEqual(await run(first), before1);
    assert.equal(host.pid, pid);
    for (const session of [first, second, third]) await session.release();
  });

  it('lets many models take turns that ask at once, none failing', async () => {
    const sessions = await Promise.all(Array.from({ length: 6 }, (_, i) => host.createSession(sized(ROWS, i + 1))));
    const alone = await Promise.all(sessions.map(run));
    const again = await Promise.all([...sessions, ...sessions].map(run));
    assert.deepEqual(again, [...alone, ...alone]);
    assert.equal(new Set(alone.map(String)).size, 6);
    for (const session of sessions) await session.release();
  });

  it('opens the models that a dead process held, when they are used', async () => {
    const session = await host.createSession(sized(ROWS, 5));
    const before = await run(session);
    const { pid } = host;
    host.kill();
    assert.deepEqual(await run(session), before);
    assert.notEqual(host.pid, pid);
    await session.release();
  });

  it('refuses what cannot fit before it is opened, and names the variants that would', async () => {
    const external: Graph = {
      opset: 21,
      nodes: [{ op: 'Add', domain: '', inputs: ['x', 'w'], outputs: ['y'], attributes: {} }],
      inputs: [{ name: 'x', type: 'float32', dims: [2] }],
      outputs: [{ name: 'y', type: 'float32', dims: [2] }],
      initializers: new Map([['w', { type: 'float32', dims: [2], external: { location: 'model.onnx_data', offset: '0', length: '8' } }]]),
      metadata: {},
    };
    const file = (name: string, bytes: Uint8Array): string => {
      writeFileSync(path.join(folder, name), bytes);
      return path.join(folder, name);
    };
    const large = file('model.onnx', encodeGraph(external));
    // Sparse: three gibibytes that take no space.
    truncateSync(file('model.onnx_data', new Uint8Array(8)), 3 * 2 ** 30);
    file('model_q4.onnx', sized(ROWS, 1));
    file('model_fp16.onnx', sized(8 * ROWS, 1));
    file('other.onnx', sized(16, 1));
    assert.deepEqual(smallerVariants(large).map((variant) => path.basename(variant.path)), ['model_q4.onnx', 'model_fp16.onnx']);
    assert.deepEqual(smallerVariants(path.join(folder, 'model_q4.onnx')), []);
    const { pid } = host;
    const refused = (message: RegExp) => (error: unknown): boolean => error instanceof RuntimeError && message.test(error.message);
    await assert.rejects(host.createSession({ path: large }), refused(/^model\.onnx needs at least 3\.00 GiB of memory, and the memory budget is 640\.0 KiB\. Use a variant that fits: model_q4\.onnx \(256\.1 KiB\)\.$/));
    await assert.rejects(host.createSession({ graph: encodeGraph(external), dataFolder: folder, dataBytes: 3 * 2 ** 30, file: large }), refused(/^model\.onnx needs .* Use a variant that fits: model_q4\.onnx/));
    rmSync(path.join(folder, 'model_q4.onnx'));
    await assert.rejects(host.createSession({ path: large }), refused(/Use a smaller variant \(q4, int8\) or a smaller model, or raise the budget\.$/));
    assert.equal(host.pid, pid);
    assert.match(tooLarge('x.onnx', null, 2 ** 40, 2 ** 30, false), /^x\.onnx needs at least 1024\.00 GiB of memory, and only 1\.00 GiB can be had here \(four fifths of the free memory\)\. .*, or end other programs\.$/);
  });

  it('refuses a model above the free memory of this machine where no budget is set', async () => {
    const file = path.join(folder, 'vast.onnx');
    writeFileSync(file, new Uint8Array(16));
    truncateSync(file, 4 * 2 ** 40);
    const unlimited = startHost();
    try {
      await assert.rejects(unlimited.createSession({ path: file }), /vast\.onnx needs at least 4096\.00 GiB of memory, and only [\d.]+ [KMG]iB can be had here/);
    } finally {
      unlimited.dispose();
    }
  });
});

// Training all weights of a compiled program: its graph, its gradient, what comes out, and what may interrupt it.
import assert from 'node:assert/strict';
import { after, describe, it } from 'mocha';
import { basePrograms, sourceOf } from '../../bench/raspbugs/programs.ts';
import { readDescription } from '../../src/numeric/compiledModel.ts';
import { compileWeights } from '../../src/numeric/weights/compile.ts';
import { blocksOf, namedMatrices } from '../../src/numeric/weights/graph.ts';
import { balanced, perturbed, softened, withClasses } from '../../src/numeric/weights/relax.ts';
import { withRoom } from '../../src/numeric/weights/room.ts';
import { defaultRecipe, trainWeights } from '../../src/numeric/weights/train.ts';
import type { TrainingRow } from '../../src/numeric/weights/trainingData.ts';
import { TrainingData } from '../../src/numeric/weights/trainingData.ts';
import { FLAT, flatten, partsOf, trainingGraph, unflatten } from '../../src/numeric/weights/trainingGraph.ts';
import type { TransformerWeights } from '../../src/numeric/weights/transformer.ts';
import { shapeOf } from '../../src/numeric/weights/transformer.ts';
import { decodeModel } from '../../src/onnx/decode.ts';
import { differentiate } from '../../src/onnx/differentiate.ts';
import { encodeGraph } from '../../src/onnx/encode.ts';
import { toFloat64 } from '../../src/onnx/float64.ts';
import { measureShapes } from '../../src/onnx/shapes.ts';
import { programOf } from '../../src/rasp/analyse.ts';
import { analyse } from '../../src/rasp/frontend.ts';
import { interpret } from '../../src/rasp/interpret.ts';
import type { Program, Value } from '../../src/rasp/program.ts';
import { repair } from '../../src/repair/repair.ts';
import { SOFT, startsOf } from '../../src/repair/starts.ts';
import { CancellationSource, CancelledError } from '../../src/shared/cancellation.ts';
import { Random } from '../../src/shared/random.ts';
import type { HostTensor } from '../../src/runtime/protocol.ts';
import { execute, sharedHost, startHost } from '../support/host.ts';

function programOfText(text: string): Program {
  const program = programOf(analyse({ path: 'p.rasp', text }, { runningExample: [1, 2] }));
  assert.ok(program);
  return program;
}

function weightsOf(program: Program, vocabulary: readonly Value[], maxLength: number, gradual = true): TransformerWeights {
  const compiled = compileWeights(program, { vocabulary, maxLength, gradual });
  assert.ok(compiled.ok);
  return compiled.weights;
}

function rowsOf(program: Program, vocabulary: readonly Value[], maxLength: number, count: number, random: Random): TrainingRow[] {
  return Array.from({ length: count }, () => {
    const input = Array.from({ length: random.integer(1, maxLength) }, () => random.pick(vocabulary));
    return { input, output: interpret(program, input) };
  });
}

const scalar = (value: number): HostTensor => ({ type: 'float32', dims: [], data: Float32Array.of(value) });
const vector = (data: Float32Array): HostTensor => ({ type: 'float32', dims: [data.length], data });

/** The loss and what is right, of given weights on rows. */
async function evaluate(weights: TransformerWeights, rows: readonly TrainingRow[], theta = flatten(weights)): Promise<{ loss: number; right: number[] }> {
  const graph = trainingGraph(weights, { sharpness: 1, loss: 'cross-entropy' });
  const data = new TrainingData(rows, weights);
  const results = await execute(encodeGraph(graph), { ...data.batch(rows.map((_, i) => i)), [FLAT]: vector(theta), logitScale: scalar(1) });
  return { loss: Number(results['loss']?.data[0]), right: [...(results['right']?.data as Float32Array)] };
}

const reverse = programOfText('reverse = aggregate(select(indices, length - indices - 1, ==), tokens);');
const tokens = [...'abc'];

describe('the training graph of a compiled program', () => {
  const random = new Random(11);

  it('holds the compiled program: padded rows of all lengths are right, and the loss is that of one-hot logits', async () => {
    const weights = weightsOf(reverse, tokens, 6);
    const { loss, right } = await evaluate(weights, rowsOf(reverse, tokens, 6, 40, random));
    assert.ok(right.every((hit) => hit === 1), right.join());
    const classes = weights.readout.kind === 'logits' ? weights.readout.classes.length : 0;
    const expected = Math.log(1 + (classes - 1) * Math.exp(-1));
    assert.ok(Math.abs(loss - expected) < 1e-5, `${loss}, expected ${expected}`);
  });

  it('tells wrong rows from right ones', async () => {
    const weights = weightsOf(reverse, tokens, 6);
    const rows = rowsOf(reverse, tokens, 6, 20, random).map((row, i) => (i % 2 === 0 ? row : { ...row, output: ['z', ...row.output.slice(1)] }));
    const { right } = await evaluate(withClasses(weights, ['z']), rows);
    assert.deepEqual(right, rows.map((_, i) => (i % 2 === 0 ? 1 : 0)));
  });

  it('computes the same when its products are balanced, and mixes when it is softened', async () => {
    const weights = weightsOf(reverse, tokens, 6);
    const rows = rowsOf(reverse, tokens, 6, 40, random);
    const soft = softened(weights, 0.01);
    assert.ok((await evaluate(balanced(weights), rows)).right.every((hit) => hit === 1));
    const [plain, same] = [await evaluate(soft, rows), await evaluate(balanced(soft), rows)];
    assert.ok(plain.right.includes(0));
    assert.ok(Math.abs(plain.loss - same.loss) < 1e-5);
  });

  it('computes the same with room to grow', async () => {
    const weights = weightsOf(reverse, tokens, 6, false);
    const rows = rowsOf(reverse, tokens, 6, 40, random);
    const roomy = withRoom(weights, { directions: 3, components: 2, hidden: 4, layers: 5 }, reverse.output, random);
    assert.equal(roomy.layers.length, 5);
    assert.equal(roomy.directions.length, weights.directions.length + 3);
    assert.ok((await evaluate(roomy, rows)).right.every((hit) => hit === 1));
    const before = shapeOf(weights);
    assert.equal(shapeOf(roomy).mlpHidden, before.mlpHidden + 4);
    assert.equal(shapeOf(roomy).keySize, before.keySize + 2);
  });

  it('lays the weights out as one vector and takes them back', () => {
    const weights = weightsOf(reverse, tokens, 6);
    const flat = flatten(weights).map((_, i) => i);
    assert.deepEqual(flatten(unflatten(weights, flat)), flat);
  });

  it('lays some of the weights out and puts them back among the others', () => {
    const weights = weightsOf(reverse, tokens, 6);
    const some = partsOf(weights).filter((_, i) => i % 2 === 1);
    const flat = flatten(weights, some);
    assert.equal(flat.length, some.reduce((sum, name) => sum + (namedMatrices(weights).get(name)?.data.length ?? 0), 0));
    const moved = unflatten(weights, flat.map((x) => x + 1), some);
    for (const [name, { data }] of namedMatrices(moved)) {
      const before = namedMatrices(weights).get(name)?.data;
      assert.deepEqual(data, some.includes(name) ? before?.map((x) => x + 1) : before, name);
    }
  });

  it('has every matrix in one block, in the order of computation', () => {
    const weights = weightsOf(reverse, tokens, 6);
    const blocks = blocksOf(weights);
    assert.deepEqual(blocks.flat(), partsOf(weights));
    assert.deepEqual(blocks.at(-1), ['unembedding']);
    assert.equal(blocks.length, 2 + weights.layers.reduce((sum, { attention, mlp }) => sum + (attention ? 1 : 0) + (mlp ? 1 : 0), 0));
  });

  for (const loss of ['cross-entropy', 'squared'] as const) {
    it(`has the gradient that float64 differences give, by every weight: ${loss}`, async () => {
      const program = programOfText('counts = selector_width(select(tokens, tokens, ==));\nx = counts + indices;');
      const weights = weightsOf(program, ['a', 'b'], 3);
      const data = new TrainingData(rowsOf(program, ['a', 'b'], 3, 5, random), weights);
      const theta = perturbed(flatten(balanced(softened(weights, 0.05))), 0.05, random);
      const graph = trainingGraph(weights, { sharpness: 2, loss });
      const feeds = { ...data.batch([0, 1, 2, 3, 4]), [FLAT]: vector(theta), logitScale: scalar(1.3) };
      const shapes = await measureShapes(graph, [feeds, { ...feeds, ...data.batch([0, 1]) }], execute);
      const gradients = toFloat64(differentiate(graph, { loss: 'loss', withRespectTo: [FLAT, ...partsOf(weights)], shapes }));
      const session = await sharedHost().createSession(encodeGraph(gradients));
      const wide = Object.fromEntries(Object.entries(feeds).map(([name, tensor]): [string, HostTensor] => [name, tensor.type === 'float32' ? { ...tensor, type: 'float64', data: Float64Array.from(tensor.data as Float32Array) } : tensor]));
      const found = await session.run(wide);
      const gradient = found[`grad/${FLAT}`]?.data as Float64Array;
      const parts = partsOf(weights).flatMap((name) => [...(found[`grad/${name}`]?.data as Float64Array)]);
      assert.deepEqual(parts, [...gradient], 'the parts make up the whole');
      const at = async (i: number, by: number): Promise<number> => {
        const moved = Float64Array.from(theta);
        moved[i] = (moved[i] ?? 0) + by;
        return Number((await session.run({ ...wide, [FLAT]: { type: 'float64', dims: [moved.length], data: moved } }, { outputs: ['loss'] }))['loss']?.data[0]);
      };
      const scale = Math.max(...gradient.map(Math.abs));
      let moving = 0;
      for (let i = 0; i < theta.length; i++) {
        const slope = ((await at(i, 1e-6)) - (await at(i, -1e-6))) / 2e-6;
        assert.ok(Math.abs(slope - (gradient[i] ?? Number.NaN)) < 1e-7 * Math.max(1, scale), `weight ${i}: ${gradient[i]}, differences give ${slope}`);
        moving += slope === 0 ? 0 : 1;
      }
      assert.ok(moving > theta.length / 3, `${moving} of ${theta.length} weights have a gradient`);
      await session.release();
    });
  }
});

describe('training all weights', () => {
  const base = basePrograms.find(({ name }) => name === 'hist');
  assert.ok(base);
  const buggy = programOfText(sourceOf('hist', 'rasp').replace('==', '<'));
  const rows = (count: number, random: Random): TrainingRow[] => Array.from({ length: count }, () => {
    const input = base.sample(random);
    return { input, output: base.reference(input) };
  });
  let host = startHost();
  after(() => host.dispose());

  const task = (count: number) => {
    const random = new Random(5);
    const weights = weightsOf(buggy, base.vocabulary, 10);
    return { weights, training: new TrainingData(rows(count, random), weights), validation: new TrainingData(rows(500, random), weights), host, random };
  };

  it('repairs hist with a wrong comparison: 97 % of 2,000 fresh inputs exactly right', async () => {
    const given = task(8000);
    const before = given.validation;
    const result = await trainWeights(given, { ...defaultRecipe, batch: 256, learningRate: 1e-2, largestLogit: 3, epochs: 20 });
    assert.ok(result.steps <= 620);
    // How sums are rounded moves where a training this short ends.
    const fresh = rows(2000, new Random(6));
    const { right } = await evaluate(result.weights, fresh);
    const share = right.reduce((a, b) => a + b, 0) / right.length;
    assert.ok(share >= 0.97, `${share} of the fresh inputs, ${result.validation.exact} of ${before.rows} held-out ones`);
  });

  it('leaves what is frozen as it was compiled, attention as sharp as it was', async () => {
    const given = task(500);
    const { weights } = await trainWeights(given, { ...defaultRecipe, balance: false, frozen: 0.5, epochs: 2 });
    const blocks = blocksOf(weights);
    const frozen = blocks.slice(0, Math.round(blocks.length / 2)).flat();
    const changed = [...namedMatrices(weights)].filter(([name, { data }]) => !data.every((x, i) => x === namedMatrices(given.weights).get(name)?.data[i]));
    assert.ok(changed.length > 0);
    assert.deepEqual(changed.filter(([name]) => frozen.includes(name)), []);
  });

  it('starts trials from the last block, from each before it, and from all with sharp attention', () => {
    assert.deepEqual(startsOf(4, 9).map(({ frozen, largestLogit }) => [frozen, largestLogit]), [[0.75, SOFT], [0.5, SOFT], [0.25, SOFT], [0, SOFT], [0, null]]);
    assert.deepEqual(startsOf(12, 4).map(({ frozen }) => Math.round(12 * frozen)), [8, 4, 0, 0]);
    assert.deepEqual(startsOf(12, 0).map(({ frozen }) => frozen), [0, 0]);
  });

  it('goes on from its last steps when the host is killed, to the very same weights', async () => {
    const recipe = { ...defaultRecipe, epochs: 3 };
    const calm = await trainWeights(task(2000), recipe);
    let kills = 0;
    const disturbed = await trainWeights({ ...task(2000), onEpoch: () => {
      if (kills < 2 && host.pid !== undefined) {
        kills++;
        process.kill(host.pid, 'SIGKILL');
      }
    } }, recipe);
    assert.equal(kills, 2);
    assert.deepEqual(disturbed.validation, calm.validation);
    assert.deepEqual(flatten(disturbed.weights), flatten(calm.weights));
    host.dispose();
    host = startHost();
  });

  it('stops at once when cancelled, and the host serves the next', async () => {
    const source = new CancellationSource();
    await assert.rejects(trainWeights({ ...task(2000), token: source.token, onEpoch: () => source.cancel() }, defaultRecipe), CancelledError);
    assert.ok((await trainWeights(task(300), { ...defaultRecipe, epochs: 1 })).steps === Math.floor(300 / defaultRecipe.batch));
  });

  it('is a method of repair: a model that is better than the program on examples that it never saw', async () => {
    const random = new Random(8);
    const result = await repair({ source: { path: 'hist.rasp', text: sourceOf('hist', 'rasp').replace('==', '<') }, examples: rows(1500, random), test: rows(500, random), method: 'weights', budgetMillis: 20_000 }, { host });
    assert.ok(result.status !== 'refused' && result.method === 'weights' && result.model, JSON.stringify(result).slice(0, 300));
    // A patch that was read from the weights is right on every example, and ends the training; without one, the model is the result.
    assert.ok((result.model.exact.test ?? 0) > (result.patch ? 0.02 : 0.2), `${result.model.exact.test}`);
    assert.equal(result.exact.test, result.patch ? 1 : result.model.exact.test);
    assert.equal(result.status, result.patch ? 'repaired' : 'partial');
    assert.ok(result.trajectory.filter(({ stage }) => stage === 'weights').length > 2);
    assert.match(result.tried.join(), /held-out examples exactly right/);
    const decoded = decodeModel(result.model.onnx, 'hist.onnx');
    assert.ok(decoded.ok);
    assert.deepEqual(readDescription(decoded.graph.metadata), result.model.description);
    assert.equal((JSON.parse(decoded.graph.metadata['gradlens.trained'] ?? '{}') as { rows: unknown }).rows !== undefined, true);
  });

  it('says why there is no model where the program cannot be compiled or the outputs cannot be learned', async () => {
    const of = async (text: string, output: readonly Value[]): Promise<string> => {
      const result = await repair({ source: { path: 'p.rasp', text }, examples: [{ input: ['a', 'b'], output }], method: 'weights', budgetMillis: 2000 }, { host });
      assert.ok(result.status === 'unrepairable' && result.model === null, JSON.stringify(result));
      return result.tried.join();
    };
    assert.match(await of('x = tokens_int + 1;', [1, 2]), /not possible.*fails on every input/);
  });

  it('ends at its deadline with what it has, and early where nothing gets better', async () => {
    const late = await trainWeights({ ...task(600), deadline: performance.now() }, defaultRecipe);
    assert.equal(late.steps, 0);
    const epochs: number[] = [];
    await trainWeights({ ...task(600), onEpoch: ({ epoch }) => epochs.push(epoch) }, { ...defaultRecipe, learningRate: 0, patience: 2 });
    assert.equal(epochs.at(-1), 2);
  });
});

// Derivatives of an opened model folder: batches, padding, paths between embeddings, deaths of the host, refusals.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'mocha';
import type { Derivatives, DerivativeRows } from '../../../src/lm/derivatives.ts';
import { openDerivatives } from '../../../src/lm/derivatives.ts';
import type { ModelFolder } from '../../../src/lm/folder.ts';
import { openModelFolder } from '../../../src/lm/folder.ts';
import { estimateMemory, measuredSizes } from '../../../src/lm/memoryEstimate.ts';
import { GraphBuilder } from '../../../src/onnx/builder.ts';
import { encodeGraph } from '../../../src/onnx/encode.ts';
import type { Graph, Tensor } from '../../../src/onnx/graph.ts';
import { CancellationSource, CancelledError } from '../../../src/shared/cancellation.ts';
import { smallDecoder } from '../../support/decoders.ts';
import { execute, sharedHost, startHost } from '../../support/host.ts';
import { gpt2, present, stories } from './models.ts';

const PROMPT = [1, 403, 407, 261, 378, 300];
const outcomes = (row: number, last = PROMPT.length - 1): DerivativeRows['outcomes'] => [{ row, position: last, token: 270 }, { row, position: last, token: 301, weight: -1 }, { row, position: 1, token: 407, weight: 0.5 }];

function folderAt(location: string): ModelFolder {
  const opened = openModelFolder(location);
  return opened.ok ? opened.folder : assert.fail(opened.problem.message);
}

async function opened(location: string, sites: readonly string[] = ['embed'], host = sharedHost()): Promise<Derivatives> {
  const result = await openDerivatives(folderAt(location), host, { sites, target: 'logProbabilities', session: { provider: 'cpu', threads: 1 } });
  return result.ok ? result.derivatives : assert.fail(result.problem.message);
}

const gradient = async (derivatives: Derivatives, rows: DerivativeRows, site = 'embed'): Promise<Float32Array> => (await derivatives.differentiate(rows)).gradients.get(site)?.data as Float32Array;

/** Largest difference relative to the largest number. */
function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  assert.equal(a.length, b.length);
  const scale = Math.max(...Array.from(b, Math.abs));
  return Math.max(...Array.from(a, (value, i) => Math.abs(value - (b[i] ?? Number.NaN)))) / scale;
}

describe('derivatives of a model folder', () => {
  for (const [name, location] of [['stories260k', () => stories], ['stories260k, fused', () => `${stories}/onnx/model_fused_rotemb.onnx`], ['tiny-random-gpt2-fused', () => gpt2]] as const) {
    describe(`of ${name}`, () => {
      let derivatives: Derivatives;
      before(async function () {
        if (!present) this.skip();
        derivatives = await opened(location(), ['embed', 'layers.2.resid_post']);
      });
      after(async () => derivatives?.release());

      it('are the same for tokens and for what these are embedded as, and each row has its own', async () => {
        const [one, other] = [PROMPT, [1, 5, 9, 200, 6, 7]];
        const ids = [one, other];
        const both = { ids, outcomes: [...outcomes(0), ...outcomes(1)] };
        const whole = await derivatives.differentiate(both, { activations: true });
        const given = await derivatives.differentiate({ ...both, embeddings: await derivatives.embed({ ids }) });
        assert.deepEqual(given.values, whole.values);
        assert.deepEqual(whole.gradients.get('embed')?.dims, [2, 6, derivatives.hidden]);
        assert.deepEqual(whole.activations.get('embed')?.data, await derivatives.embed({ ids }));
        const alone = await derivatives.differentiate({ ids: [other], outcomes: outcomes(0) });
        for (const site of ['embed', 'layers.2.resid_post']) {
          const data = whole.gradients.get(site)?.data as Float32Array;
          assert.ok(distance(data.subarray(data.length / 2), alone.gradients.get(site)?.data as Float32Array) < 1e-5, site);
        }
      });

      it('take path points as rows: the path integral of the gradient is what the target changes by', async () => {
        // Gauss-Legendre, 8 nodes on [0, 1] (Abramowitz and Stegun, table 25.4).
        const half = [[0.1834346424956498, 0.362683783378362], [0.525532409916329, 0.3137066458778873], [0.7966664774136267, 0.2223810344533745], [0.9602898564975363, 0.1012285362903763]] as const;
        const nodes = half.flatMap(([x, weight]) => [{ at: (1 - x) / 2, weight: weight / 2 }, { at: (1 + x) / 2, weight: weight / 2 }]);
        const end = await derivatives.embed({ ids: [PROMPT] });
        const start = end.map((value, i) => 0.7 * value + 0.2 * (end[(i + 5) % end.length] ?? 0));
        const along = (at: number): Float32Array => end.map((value, i) => (start[i] ?? 0) + at * (value - (start[i] ?? 0)));
        const embeddings = Float32Array.from(nodes.flatMap(({ at }) => [...along(at)]));
        const ids = nodes.map(() => PROMPT);
        const slopes = await gradient(derivatives, { ids, embeddings, outcomes: nodes.flatMap((_, row) => outcomes(row)) });
        const integral = nodes.reduce((sum, { weight }, row) => sum + weight * end.reduce((dot, value, i) => dot + (value - (start[i] ?? 0)) * (slopes[row * end.length + i] ?? 0), 0), 0);
        const target = async (at: number): Promise<number> => (await derivatives.evaluate({ ids: [PROMPT], embeddings: along(at), outcomes: outcomes(0) })).target;
        const change = (await target(1)) - (await target(0));
        assert.ok(Math.abs(change) > 1e-3 && Math.abs(integral - change) < 2e-3 * Math.abs(change), `${integral} and not ${change}`);
      });

      it('do not depend on padding', async () => {
        const alone = await derivatives.differentiate({ ids: [PROMPT], outcomes: outcomes(0) });
        const right = { ids: [[...PROMPT, 0, 0]], mask: [[1, 1, 1, 1, 1, 1, 0, 0]], outcomes: outcomes(0) };
        const padded = await gradient(derivatives, right);
        const expected = alone.gradients.get('embed')?.data as Float32Array;
        assert.ok(distance(padded.subarray(0, expected.length), expected) < 1e-5);
        assert.ok(padded.subarray(expected.length).every((value) => value === 0), 'padding has no gradient');
        const left = { ids: [[0, 0, ...PROMPT]], mask: [[0, 0, 1, 1, 1, 1, 1, 1]], outcomes: outcomes(0).map((outcome) => ({ ...outcome, position: outcome.position + 2 })) };
        if (derivatives.needsRightPadding) await assert.rejects(derivatives.differentiate(left), /padding after the tokens only/);
        else assert.ok(distance((await gradient(derivatives, left)).subarray(2 * derivatives.hidden), expected) < 1e-5);
      });

      it('say how much memory a run takes, more rows more', async () => {
        const sizes = { batch: 1, length: 64, positions: 2, outcomes: 3 };
        const [one, four] = [await derivatives.estimate(sizes), await derivatives.estimate({ batch: 4, length: 64, positions: 8, outcomes: 12 })];
        assert.ok(four.bytes <= 4 * one.bytes && four.bytes >= 3 * one.bytes, `${one.bytes} for one row, ${four.bytes} for four`);
        assert.ok(Math.abs(one.bytes + 3 * one.bytesPerRow - four.bytes) < 0.02 * four.bytes);
        // The gradient, what it started from and at least one value for each layer's sites live at the end.
        assert.ok(one.bytes > 10 * 64 * derivatives.hidden * 4);
      });
    });
  }

  it('go on after the death of the host, and stop when they are cancelled', async function () {
    if (!present) this.skip();
    const host = startHost();
    try {
      const derivatives = await opened(stories, ['embed'], host);
      const rows = { ids: Array.from({ length: 16 }, () => Array.from({ length: 128 }, (_, i) => 1 + (i % 300))), outcomes: Array.from({ length: 16 }, (_, row) => ({ row, position: 100, token: 5 })) };
      const expected = await derivatives.differentiate(rows);
      const running = derivatives.differentiate(rows);
      setTimeout(() => process.kill(host.pid ?? 0, 'SIGKILL'), 20);
      assert.deepEqual((await running).values, expected.values);
      const source = new CancellationSource();
      setTimeout(() => source.cancel(), 20);
      await assert.rejects(derivatives.differentiate(rows, { token: source.token }), CancelledError);
      assert.deepEqual((await derivatives.differentiate(rows)).values, expected.values);
      await assert.rejects(openDerivatives(folderAt(stories), host, { sites: ['embed'], target: 'logits', token: source.token }), CancelledError);
    } finally {
      host.dispose();
    }
  });

  describe('are refused', () => {
    let folder = '';
    before(() => {
      folder = mkdtempSync(path.join(tmpdir(), 'gradlens-derivatives-'));
      mkdirSync(path.join(folder, 'onnx'));
      writeFileSync(path.join(folder, 'config.json'), JSON.stringify({ model_type: 'llama', num_hidden_layers: 2, hidden_size: 6 }));
      writeFileSync(path.join(folder, 'tokenizer.json'), '{}');
    });
    after(() => rmSync(folder, { recursive: true, force: true }));

    const refusal = async (graph: Graph, sites = ['embed']): Promise<string> => {
      writeFileSync(path.join(folder, 'onnx/model.onnx'), encodeGraph(graph));
      const result = await openDerivatives(folderAt(folder), sharedHost(), { sites, target: 'logits' });
      return result.ok ? assert.fail('not refused') : `${result.problem.code}: ${result.problem.message}`;
    };

    it('where there is no residual stream, no such site, an old operator set, or an input that nobody knows', async () => {
      const graph = smallDecoder({ form: 'llama', layers: 2 });
      assert.match(await refusal(smallDecoder({ form: 'postNorm', layers: 2 })), /^noResidualStream: .*leaves it at node/);
      assert.match(await refusal(graph, ['embed', 'layers.2.mlp_out']), /^unknownSite: .*no site “layers\.2\.mlp_out” to differentiate by\. It has: embed, layers\.0\.resid_pre/);
      assert.match(await refusal({ ...graph, opset: 6 }), /^oldOperators: .*operator set 6.*Export it again/);
      assert.match(await refusal({ ...graph, inputs: [...graph.inputs, { name: 'adapter', type: 'float32', dims: [] }] }), /^missingInput: .*“adapter”/);
    });

    it('where an operator on the way has no derivative, by its name and the path', async () => {
      const graph = smallDecoder({ form: 'llama', layers: 1 });
      const stepped = { ...graph, nodes: graph.nodes.map((node) => (node.op === 'Sigmoid' ? { ...node, op: 'Det' } : node)) };
      assert.match(await refusal(stepped), /^noGradient: .*model\.onnx cannot be differentiated: there is no gradient for the op Det; it lies on the path/);
    });
  });
});

describe('the memory estimate', () => {
  it('counts what lives at once, at sizes that were not run', async () => {
    const b = new GraphBuilder();
    b.input('x', 'float32', ['b', 'l', 4]);
    b.input('flags', 'bool', ['b', 'l']);
    b.node('MatMul', ['x', b.node('Transpose', ['x'], { perm: [0, 2, 1] })], {}, 'scores'); // 4·(4bl + 4bl + bll)
    b.node('MatMul', [b.node('Softmax', ['scores'], { axis: -1 }), 'x'], {}, 'y');
    b.output('y', 'float32', ['b', 'l', 4]);
    const feeds = (at: 0 | 1): Record<string, Tensor> => {
      const { batch, length } = measuredSizes[at];
      return { x: { type: 'float32', dims: [batch, length, 4], data: new Float32Array(batch * length * 4).fill(1) }, flags: { type: 'bool', dims: [batch, length], data: new Uint8Array(batch * length) } };
    };
    const estimate = await estimateMemory(b.build(), [feeds(0), feeds(1)], execute);
    const [batch, length] = [3, 50];
    const [x, scores] = [4 * batch * length * 4, 4 * batch * length * length];
    assert.equal(estimate({ batch, length, positions: 1, outcomes: 1 }), x + batch * length + 2 * scores);
  });
});

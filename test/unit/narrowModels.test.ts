// Gradients of models in float16 and with 4-bit weights: those of the same model in float32, to the format's precision.
import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { encodeGraph } from '../../src/onnx/encode.ts';
import { floatsOf, floatTensor } from '../../src/onnx/float16.ts';
import { gradientGraph } from '../../src/onnx/gradientGraph.ts';
import type { Graph, GraphNode, Tensor } from '../../src/onnx/graph.ts';
import { dataTypes } from '../../src/onnx/graph.ts';
import { execute } from '../support/host.ts';
import { halved, quantised, rounded } from '../support/narrowGraphs.ts';
import type { Feeds, Question } from '../support/wholeModels.ts';
import { llamaQuestion, needs, relativeDistance } from '../support/wholeModels.ts';

/** In float16 but for the norms, which are between casts, as Hugging Face's exports have them. */
function mixed(graph: Graph): Graph {
  const half = halved(graph);
  const wide = new Set(['Pow', 'ReduceMean', 'Sqrt', 'Div']);
  const isNorm = ({ op, outputs: [output = ''] }: GraphNode): boolean => wide.has(op) || (op === 'Add' && /norm/i.test(output));
  const inner = new Set(half.nodes.filter(isNorm).flatMap(({ outputs }) => outputs));
  const nodes = half.nodes.flatMap((node): GraphNode[] => {
    const [output = ''] = node.outputs;
    if (isNorm(node)) {
      const outside = node.inputs.filter((input) => !inner.has(input));
      const casts = outside.map((input) => ({ op: 'Cast', domain: '', inputs: [input], outputs: [`${input}/wide/${output}`], attributes: { to: dataTypes.float32 } }));
      return [...casts, { ...node, inputs: node.inputs.map((input) => (inner.has(input) ? input : `${input}/wide/${output}`)) }];
    }
    const narrowed = [...new Set(node.inputs.filter((input) => inner.has(input)))];
    const casts = narrowed.map((input) => ({ op: 'Cast', domain: '', inputs: [input], outputs: [`${input}/narrow/${output}`], attributes: { to: dataTypes.float16 } }));
    return [...casts, { ...node, inputs: node.inputs.map((input) => (inner.has(input) ? `${input}/narrow/${output}` : input)) }];
  });
  return { ...half, nodes };
}

async function gradient({ graph, by, feeds }: Question): Promise<Float64Array> {
  const whole = await gradientGraph(graph, { loss: 'loss', withRespectTo: [by], feeds, execute });
  const found = (await execute(encodeGraph(whole), feeds[0]))[`grad/${by}`];
  return floatsOf(found as Tensor);
}

/** The same numbers for a float32 model as float16 can hold. */
const roundedFeeds = (question: Question): Question => ({ ...question, feeds: [roundedTensors(question.feeds[0]), roundedTensors(question.feeds[1])] });
const roundedTensors = (feeds: Feeds): Feeds => Object.fromEntries(Object.entries(feeds).map(([name, tensor]) =>
  [name, tensor.type === 'float32' ? floatTensor('float32', tensor.dims, floatsOf(floatTensor('float16', tensor.dims, floatsOf(tensor)))) : tensor]));

const PLAIN = { file: 'model.onnx', by: '/model/embed_tokens/Gather_output_0' };
const FUSED = { file: 'model_fused_rotemb.onnx', by: '/model/embed_tokens/Gather/output_0' };
const sizes = { lengths: [6, 4], past: 0 };

/** float16 numbers have 11 bits: 2⁻¹¹ = 5e-4 relative. Over five layers there and back a gradient keeps 1 %. */
const HALF = 1e-2;

interface NarrowCase {
  readonly model: typeof PLAIN;
  readonly narrow: (graph: Graph) => Graph;
  readonly wide: (graph: Graph) => Graph;
  readonly bound: number;
  /** What the narrow graph has and the wide one has not. */
  readonly marks: (node: GraphNode) => boolean;
}

const castsTo = (type: number) => ({ op, attributes }: GraphNode): boolean => op === 'Cast' && attributes.to === type;
const isQuantised = ({ op }: GraphNode): boolean => op === 'MatMulNBits';

const cases: Readonly<Record<string, NarrowCase>> = {
  'in float16': { model: PLAIN, narrow: halved, wide: rounded, bound: HALF, marks: castsTo(dataTypes.float16) },
  'in float16 with norms in float32': { model: PLAIN, narrow: mixed, wide: rounded, bound: HALF, marks: ({ outputs: [output = ''] }) => output.includes('/wide/') },
  'in float16 with fused operators': { model: FUSED, narrow: halved, wide: rounded, bound: HALF, marks: ({ op, inputs }) => op === 'Cast' && inputs[0] === 'logits' },
  'with 4-bit weights': { model: PLAIN, narrow: quantised(false), wide: quantised(true), bound: 1e-4, marks: isQuantised },
  'with 4-bit weights and fused operators': { model: FUSED, narrow: quantised(false), wide: quantised(true), bound: 1e-4, marks: isQuantised },
};

describe('the gradient by the token embeddings of a Llama (stories260k)', () => {
  for (const [name, { model, narrow, wide, bound, marks }] of Object.entries(cases)) {
    it(`${name} is that of the same weights in float32`, async function () {
      needs(this, 'stories260k');
      const [question, reference] = [llamaQuestion(model.file, model.by, sizes, narrow), llamaQuestion(model.file, model.by, sizes, wide)];
      assert.ok(question.graph.nodes.some(marks) && !reference.graph.nodes.some(marks), 'the graph is the narrow one');
      const [ours, truth] = [await gradient(question), await gradient(bound === HALF ? roundedFeeds(reference) : reference)];
      assert.ok(Math.hypot(...truth) > 0, 'the gradient is not zero');
      const distance = relativeDistance(ours, truth);
      if (process.env['GRADLENS_FIGURES']) console.log(`      ${name}: ${distance.toExponential(2)}`);
      assert.ok(distance < bound, `they differ by ${distance}`);
    });
  }
});

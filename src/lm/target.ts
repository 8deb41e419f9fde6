// What is differentiated: logits or log-probabilities of chosen tokens at chosen positions, and their derivative by the logits.
import { Flow } from './flow.ts';
import { GraphDraft } from './graphDraft.ts';
import { isProjection } from './projection.ts';
import type { Graph, GraphNode } from '../onnx/graph.ts';
import { isTensor, typeCode } from '../onnx/graph.ts';
import { upgradeOpset } from '../onnx/upgrade.ts';

export type TargetKind = 'logits' | 'logProbabilities';

/** The inputs that say which outcomes a target is made of. */
export const targetInputs = {
  /** int64 [positions, 2]: batch row and position whose logits are computed. */
  positions: 'target/positions',
  /** int64 [outcomes, 2]: index into the positions, token id. */
  outcomes: 'target/outcomes',
  /** float32 [outcomes] */
  weights: 'target/weights',
} as const;

/** What `withTarget` adds; only the first two are outputs of the graph. */
export const targetValues = {
  /** float32 []: Σ weightₙ · valueₙ */
  sum: 'target',
  /** float32 [outcomes]: the logit or log-probability of each outcome. */
  each: 'target/values',
  /** float32 [positions, vocabulary] */
  logits: 'target/logits',
  /** float32 [positions, vocabulary]: d target / d logits */
  cotangent: 'target/cotangent',
} as const;

/**
 * The graph with the outputs `target` = Σ weightₙ · yₙ and `target/values` = y, where yₙ is the logit or the
 * log-probability of an outcome. Positions, outcomes and weights are inputs of the graph (`targetInputs`): a preferred
 * token against another is two outcomes with the weights 1 and −1. The head is applied to the chosen positions alone
 * where the graph allows it; the model's own logits are left as they are, and cost nothing where nobody asks for them.
 * Comes back in opset 18 or newer. @throws OpsetError for a graph that is too old
 */
export function withTarget(original: Graph, kind: TargetKind): Graph {
  const graph = upgradeOpset(original);
  const draft = new GraphDraft(graph, 'target/');
  draft.input({ name: targetInputs.positions, type: 'int64', dims: ['positions', 2] });
  draft.input({ name: targetInputs.outcomes, type: 'int64', dims: ['outcomes', 2] });
  draft.input({ name: targetInputs.weights, type: 'float32', dims: ['outcomes'] });
  const type = graph.outputs.find(({ name }) => name === 'logits')?.type;
  const logits = pickedLogits(graph, draft);
  draft.append(type === 'float32' ? 'Identity' : 'Cast', [logits], type === 'float32' ? {} : { to: typeCode('float32') }, targetValues.logits);
  if (kind === 'logits') logitTarget(draft);
  else logProbabilityTarget(draft);
  const weighted = draft.append('Mul', [targetValues.each, targetInputs.weights]);
  draft.append('ReduceSum', [weighted], { keepdims: 0 }, targetValues.sum);
  draft.output({ name: targetValues.sum, type: 'float32', dims: [] });
  draft.output({ name: targetValues.each, type: 'float32', dims: ['outcomes'] });
  return draft.graph();
}

function logitTarget(draft: GraphDraft): void {
  const { logits, each, cotangent } = targetValues;
  draft.append('GatherND', [logits, targetInputs.outcomes], {}, each);
  const zeros = zerosLike(draft, logits);
  draft.append('ScatterND', [zeros, targetInputs.outcomes, targetInputs.weights], { reduction: 'add' }, cotangent);
}

const zerosLike = (draft: GraphDraft, value: string): string =>
  draft.append('ConstantOfShape', [draft.append('Shape', [value])], { value: { type: 'float32', dims: [1], data: Float32Array.of(0) } });

/**
 * log p = x − log Σ eˣ, and d log p / d x = 1 − softmax x. The largest softmax of a row is e^max / Σ eˣ, which is at
 * least 1 / vocabulary: the sum's logarithm follows from it without another pass of exponentials, and as exactly.
 */
function logProbabilityTarget(draft: GraphDraft): void {
  const { logits, each, cotangent } = targetValues;
  const { outcomes, weights } = targetInputs;
  const probabilities = draft.append('Softmax', [logits], { axis: -1 });
  const largest = (of: string): string => draft.append('ReduceMax', [of, draft.int64(-1)], { keepdims: 1 });
  const logSum = draft.append('Sub', [largest(logits), draft.append('Log', [largest(probabilities)])]);
  const rows = draft.append('Slice', [outcomes, draft.int64(0), draft.int64(1), draft.int64(1)]);
  const logSums = draft.append('GatherND', [draft.append('Squeeze', [logSum, draft.int64(1)]), rows]);
  draft.append('Sub', [draft.append('GatherND', [logits, outcomes]), logSums], {}, each);
  const zeros = zerosLike(draft, logSum);
  const places = draft.append('Concat', [rows, draft.append('Mul', [rows, draft.int64(0)])], { axis: 1 });
  const weightOfRow = draft.append('ScatterND', [zeros, places, draft.append('Neg', [weights])], { reduction: 'add' });
  const repelled = draft.append('Mul', [probabilities, weightOfRow]);
  draft.append('ScatterND', [repelled, outcomes, weights], { reduction: 'add' }, cotangent);
}

/** [positions, vocabulary], in the type of the graph's logits. */
function pickedLogits(graph: Graph, draft: GraphDraft): string {
  const head = headOf(graph);
  const picked = draft.append('GatherND', [head?.input ?? 'logits', targetInputs.positions]);
  let value = picked;
  for (const { node, from } of head?.nodes ?? []) {
    value = draft.append(node.op, node.inputs.map((input) => (input === from ? value : input)), node.attributes, undefined, node.domain);
  }
  return value;
}

interface Head {
  /** [batch, sequence, hidden] */
  readonly input: string;
  /** From there to the logits, each with the one input that is no constant. */
  readonly nodes: readonly { readonly node: GraphNode; readonly from: string }[];
}

/** The projection to the vocabulary and what follows it, where each position's logits depend on that position alone. */
function headOf(graph: Graph): Head | null {
  const source = ['input_ids', 'inputs_embeds'].find((name) => graph.inputs.some((input) => input.name === name));
  const rank = graph.outputs.find(({ name }) => name === 'logits')?.dims.length;
  if (source === undefined || rank !== 3) return null;
  const flow = new Flow(graph, source);
  const nodes: Head['nodes'][number][] = [];
  for (let value = 'logits'; ;) {
    const node = flow.node(flow.producer(value));
    const [from = '', ...others] = node ? flow.dynamicInputs(node) : [];
    if (!node || others.length > 0 || node.outputs.length !== 1) return null;
    nodes.unshift({ node, from });
    if (isHeadProjection(flow, node)) return { input: from, nodes };
    if (!isPositionwise(graph, node, from)) return null;
    value = from;
  }
}

const headProjections: ReadonlySet<string> = new Set(['MatMul', 'FusedMatMul', 'MatMulNBits']);

const isHeadProjection = (flow: Flow, node: GraphNode): boolean =>
  headProjections.has(node.op) && isProjection(flow, node) && node.attributes['transA'] !== 1 && node.attributes['transBatchA'] !== 1;

const unary: ReadonlySet<string> = new Set(['Identity', 'Cast', 'Tanh', 'Neg']);
const binary: ReadonlySet<string> = new Set(['Add', 'Sub', 'Mul', 'Div', 'Min', 'Max', 'Clip']);

/** Elementwise, its constants the same at every position. */
function isPositionwise(graph: Graph, { op, domain, inputs }: GraphNode, from: string): boolean {
  if (domain !== '') return false;
  return unary.has(op) || (binary.has(op) && inputs.every((input) => input === from || input === '' || (constantRank(graph, input) ?? 2) <= 1));
}

function constantRank(graph: Graph, value: string): number | undefined {
  const tensor = graph.initializers.get(value) ?? graph.nodes.find(({ op, outputs }) => op === 'Constant' && outputs[0] === value)?.attributes['value'];
  if (typeof tensor !== 'object' || !('dims' in tensor)) return undefined;
  return 'external' in tensor || isTensor(tensor) ? tensor.dims.length : undefined;
}

// Graphs in float16 and with 4-bit weights, made of float32 ones, and the same weights in float32.
import { floatsOf, floatTensor } from '../../src/onnx/float16.ts';
import type { Attribute, Graph, GraphNode, Initializer, Tensor } from '../../src/onnx/graph.ts';
import { dataTypes, isTensor } from '../../src/onnx/graph.ts';

/** Changes the float32 constants of a graph, those of Constant nodes too. */
function withConstants(graph: Graph, change: (tensor: Tensor) => Tensor): Graph {
  const changed = <T extends Initializer>(tensor: T): T | Tensor => (tensor.type === 'float32' && 'data' in tensor ? change(tensor as Tensor) : tensor);
  const attribute = (value: Attribute): Attribute => (isTensor(value) ? changed(value) : value);
  const nodes = graph.nodes.map((node) => ({ ...node, attributes: Object.fromEntries(Object.entries(node.attributes).map(([name, value]) => [name, attribute(value)])) }));
  return { ...graph, nodes, initializers: new Map([...graph.initializers].map(([name, tensor]) => [name, changed(tensor)])) };
}

/** All constants as float16 can hold them, in float32. */
export const rounded = (graph: Graph): Graph => withConstants(graph, (tensor) => floatTensor('float32', tensor.dims, floatsOf(floatTensor('float16', tensor.dims, floatsOf(tensor)))));

/** All in float16: weights, inputs, outputs, and what is cast to float32. */
export function halved(graph: Graph): Graph {
  const narrow = <T extends { readonly type: string }>(value: T): T => (value.type === 'float32' ? { ...value, type: 'float16' } : value);
  const cast = (node: GraphNode): GraphNode => (node.op === 'Cast' && node.attributes.to === dataTypes.float32 ? { ...node, attributes: { to: dataTypes.float16 } } : node);
  const half = withConstants(graph, (tensor) => floatTensor('float16', tensor.dims, tensor.data as Float32Array));
  return { ...half, nodes: half.nodes.map(cast), inputs: half.inputs.map(narrow), outputs: half.outputs.map(narrow) };
}

const BLOCK = 32;
const MIDDLE = 8;

interface Quantised {
  /** What the 4-bit numbers stand for, [rows, columns]. */
  readonly weights: Tensor;
  /** [columns, blocks, 16] */
  readonly packed: Tensor;
  /** [columns · blocks] */
  readonly scales: Tensor;
}

/** Each block of a column in 16 steps of its own size. */
function quantise({ dims: [rows = 0, columns = 0], data }: Tensor): Quantised {
  const blocks = Math.ceil(rows / BLOCK);
  const [weights, packed, scales] = [new Float32Array(rows * columns), new Uint8Array((columns * blocks * BLOCK) / 2), new Float32Array(columns * blocks)];
  for (let column = 0; column < columns; column++) {
    for (let block = 0; block < blocks; block++) {
      const members = Array.from({ length: Math.min(BLOCK, rows - block * BLOCK) }, (_, i) => block * BLOCK + i);
      const scale = Math.fround(Math.max(1e-6, ...members.map((row) => Math.abs(Number(data[row * columns + column])))) / (MIDDLE - 1));
      scales[column * blocks + block] = scale;
      members.forEach((row, i) => {
        const level = Math.round(Number(data[row * columns + column]) / scale) + MIDDLE;
        weights[row * columns + column] = (level - MIDDLE) * scale;
        const at = ((column * blocks + block) * BLOCK + i) / 2;
        packed[Math.floor(at)] = (packed[Math.floor(at)] ?? 0) | (level << (i % 2 === 0 ? 0 : 4));
      });
    }
  }
  return {
    weights: { type: 'float32', dims: [rows, columns], data: weights },
    packed: { type: 'uint8', dims: [columns, blocks, BLOCK / 2], data: packed },
    scales: { type: 'float32', dims: [columns * blocks], data: scales },
  };
}

/** The products with constant weights by MatMulNBits, or with `isPlain` by the weights that its 4-bit numbers stand for. */
export const quantised = (isPlain: boolean) => (graph: Graph): Graph => {
  const initializers = new Map(graph.initializers);
  const nodes = graph.nodes.map((node): GraphNode => {
    const [x = '', name = ''] = node.inputs;
    const tensor = graph.initializers.get(name);
    if (node.op !== 'MatMul' || !tensor || !('data' in tensor)) return node;
    const { weights, packed, scales } = quantise(tensor as Tensor);
    if (isPlain) {
      initializers.set(name, weights);
      return node;
    }
    initializers.delete(name);
    initializers.set(`${name}/packed`, packed).set(`${name}/scales`, scales);
    const [K = 0, N = 0] = tensor.dims;
    return { ...node, op: 'MatMulNBits', domain: 'com.microsoft', inputs: [x, `${name}/packed`, `${name}/scales`], attributes: { K, N, bits: 4, block_size: BLOCK } };
  });
  return { ...graph, nodes, initializers, domains: { ...graph.domains, 'com.microsoft': 1 } };
};

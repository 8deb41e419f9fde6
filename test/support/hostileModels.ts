// Model files that no exporter writes: each is well-formed protobuf and asks for something that cannot be.
import { encodeGraph } from '../../src/onnx/encode.ts';
import type { ExternalTensor, Graph, GraphNode, Initializer } from '../../src/onnx/graph.ts';
import type { HostTensor } from '../../src/runtime/protocol.ts';

export interface HostileModel {
  readonly name: string;
  readonly model: Uint8Array;
  /** What the runtime must say, where it must refuse the model or its run; null: it may as well run it. */
  readonly refusal: RegExp | null;
}

const node = (op: string, inputs: readonly string[], outputs: readonly string[], attributes: GraphNode['attributes'] = {}): GraphNode => ({ op, domain: '', inputs, outputs, attributes });
const x = { name: 'x', type: 'float32', dims: [2] } as const;
const y = { name: 'y', type: 'float32', dims: [2] } as const;
const graph = (nodes: readonly GraphNode[], initializers: readonly (readonly [string, Initializer])[] = []): Graph => ({ opset: 18, nodes, inputs: [x], outputs: [y], initializers: new Map(initializers), metadata: {} });
const external = (dims: readonly number[], fields: Readonly<Record<string, string>>): ExternalTensor => ({ type: 'float32', dims, external: fields });
const floats = (dims: readonly number[], count: number): Initializer => ({ type: 'float32', dims, data: new Float32Array(count) });

/** What every hostile model takes. */
export const hostileFeeds: Readonly<Record<string, HostTensor>> = { x: { type: 'float32', dims: [2], data: Float32Array.of(1, 2) } };

const outside = /outside its own folder|by an absolute path|escapes model directory/;

export const hostileModels: readonly HostileModel[] = [
  { name: 'two nodes that wait for each other', model: encodeGraph(graph([node('Add', ['x', 'b'], ['a']), node('Add', ['a', 'x'], ['b']), node('Neg', ['b'], ['y'])])), refusal: /does not hold together/ },
  { name: 'a node that waits for itself', model: encodeGraph(graph([node('Add', ['x', 'y'], ['y'])])), refusal: /does not hold together/ },
  { name: 'an input that nothing gives', model: encodeGraph(graph([node('Add', ['x', 'nowhere'], ['y'])])), refusal: /does not hold together/ },
  { name: 'an output that nothing computes', model: encodeGraph(graph([node('Neg', ['x'], ['z'])])), refusal: /does not hold together/ },
  { name: 'an operator that there is not', model: encodeGraph(graph([node('MineBitcoin', ['x'], ['y'])])), refusal: /no operator MineBitcoin/ },
  { name: 'an operator without its inputs', model: encodeGraph(graph([node('MatMul', [], ['y'])])), refusal: /does not hold together/ },
  { name: 'weights that say to have 2^60 numbers and have two', model: encodeGraph(graph([node('Add', ['x', 'w'], ['y'])], [['w', floats([2 ** 30, 2 ** 30], 2)]])), refusal: /does not hold together/ },
  { name: 'weights with a negative size', model: encodeGraph(graph([node('Add', ['x', 'w'], ['y'])], [['w', floats([-2], 2)]])), refusal: /does not hold together/ },
  { name: 'a computed size of 2^45 numbers', model: encodeGraph(graph([node('ConstantOfShape', ['s'], ['c']), node('ReduceSum', ['c'], ['r'], { keepdims: 0 }), node('Add', ['x', 'r'], ['y'])], [['s', { type: 'int64', dims: [1], data: BigInt64Array.of(2n ** 45n) }]])), refusal: /not enough memory/ },
  { name: 'a computed size below zero', model: encodeGraph(graph([node('Reshape', ['x', 's'], ['y'])], [['s', { type: 'int64', dims: [2], data: BigInt64Array.of(-5n, -7n) }]])), refusal: /does not hold together/ },
  { name: 'a row that the table does not have', model: encodeGraph(graph([node('Gather', ['x', 'i'], ['y'])], [['i', { type: 'int64', dims: [2], data: BigInt64Array.of(10n ** 12n, -(10n ** 12n)) }]])), refusal: /out of data bounds/ },
  { name: 'weights at the file of passwords', model: encodeGraph(graph([node('Add', ['x', 'w'], ['y'])], [['w', external([2], { location: '/etc/passwd', offset: '0', length: '8' })]])), refusal: outside },
  { name: 'weights above the folder', model: encodeGraph(graph([node('Add', ['x', 'w'], ['y'])], [['w', external([2], { location: '../../../../../etc/passwd', offset: '0', length: '8' })]])), refusal: outside },
  { name: 'weights behind the end of their file', model: encodeGraph(graph([node('Add', ['x', 'w'], ['y'])], [['w', external([2], { location: 'weights.bin', offset: '4096', length: '8' })]])), refusal: /does not belong to this model, or is cut off: w should lie at byte 4096, 8 bytes long, and the file has 64 bytes/ },
  { name: 'weights at an offset that is no number', model: encodeGraph(graph([node('Add', ['x', 'w'], ['y'])], [['w', external([2], { location: 'weights.bin', offset: '0x10; rm', length: '8' })]])), refusal: /does not say where in their file its weights lie/ },
  { name: 'weights at an offset below zero', model: encodeGraph(graph([node('Add', ['x', 'w'], ['y'])], [['w', external([2], { location: 'weights.bin', offset: '-8', length: '8' })]])), refusal: /does not belong to this model, or is cut off: w should lie at byte -8/ },
  { name: 'a name of 4 MiB', model: encodeGraph(graph([node('Add', ['x', 'x'], ['n'.repeat(4 * 2 ** 20)]), node('Neg', ['n'.repeat(4 * 2 ** 20)], ['y'])])), refusal: null },
  { name: 'bodies within bodies, 2000 deep', model: nested(2000), refusal: /no ONNX model, or is damaged/ },
  { name: '20,000 nodes in a row', model: encodeGraph(graph(Array.from({ length: 20_000 }, (_, i) => node('Neg', [i === 0 ? 'x' : `v${i - 1}`], [i === 19_999 ? 'y' : `v${i}`])))), refusal: null },
];

/** A Loop that would run 2^62 times. */
export function endlessModel(): Uint8Array {
  const scalar = (name: string, type: 'int64' | 'bool') => ({ name, type, dims: [] });
  const body = {
    nodes: [node('Identity', ['go'], ['on']), node('Neg', ['v'], ['w'])],
    inputs: [scalar('i', 'int64'), scalar('go', 'bool'), { ...x, name: 'v' }],
    outputs: [scalar('on', 'bool'), { ...y, name: 'w' }],
    initializers: new Map(),
  };
  const constants: readonly (readonly [string, Initializer])[] = [
    ['times', { type: 'int64', dims: [], data: BigInt64Array.of(2n ** 62n) }],
    ['true', { type: 'bool', dims: [], data: Uint8Array.of(1) }],
  ];
  return encodeGraph(graph([node('Loop', ['times', 'true', 'x'], ['y'], { body: { graph: body } })], constants));
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) | 128, ...varint(Math.floor(value / 128))];
}

function field(number: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.of((number << 3) | 2, ...varint(content.byteLength)), content]);
}

function text(number: number, value: string): Buffer {
  return field(number, Buffer.from(value));
}

/** An If within an If, as deep as is asked for, put together by hand: the encoder would not go that deep. */
function nested(depth: number): Buffer {
  let body = field(1, text(1, 'x'), text(2, 'y'), text(4, 'Neg'));
  for (let i = 0; i < depth; i++) body = field(1, text(1, 'x'), text(2, 'y'), text(4, 'If'), field(5, text(1, 'then_branch'), Buffer.of(0xa0, 1, 5), field(6, body)));
  const value = (number: number, name: string): Buffer => field(number, text(1, name), field(2, field(1, Buffer.of(8, 1))));
  return Buffer.concat([Buffer.of(8, 8), field(7, body, text(2, 'g'), value(11, 'x'), value(12, 'y')), field(8, Buffer.of(16, 18))]);
}

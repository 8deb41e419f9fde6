// A graph as the bytes of an ONNX model.
import { create, toBinary } from '@bufbuild/protobuf';
import type { Attribute, Graph, Tensor, ValueInfo } from './graph.ts';
import { dataTypes, isTensor } from './graph.ts';
import { attributeTypes, messageSchema } from './schema.ts';

const IR_VERSION = 9n;

/** The bytes of an ONNX model (ModelProto) that holds the graph. */
export function encodeGraph(graph: Graph): Uint8Array<ArrayBuffer> {
  const schema = messageSchema('ModelProto');
  const domains = new Set(graph.nodes.map(({ domain }) => domain).filter((domain) => domain !== ''));
  const model = create(schema, {
    irVersion: IR_VERSION,
    producerName: 'gradlens',
    opsetImport: [
      { domain: '', version: BigInt(graph.opset) },
      ...[...domains].map((domain) => ({ domain, version: 1n })),
    ],
    metadataProps: Object.entries(graph.metadata).map(([key, value]) => ({ key, value })),
    graph: {
      name: 'gradlens',
      node: graph.nodes.map(({ op, domain, inputs, outputs, attributes }, i) => ({
        name: `n${i}`,
        opType: op,
        domain,
        input: [...inputs],
        output: [...outputs],
        attribute: Object.entries(attributes).map(([name, attribute]) => attributeMessage(name, attribute)),
      })),
      initializer: [...graph.initializers].map(([name, tensor]) => tensorMessage(name, tensor)),
      input: graph.inputs.map(valueMessage),
      output: graph.outputs.map(valueMessage),
    },
  });
  return toBinary(schema, model);
}

function attributeMessage(name: string, attribute: Attribute): Record<string, unknown> {
  if (typeof attribute === 'number') return { name, type: attributeTypes.int, i: BigInt(attribute) };
  if (typeof attribute === 'string') return { name, type: attributeTypes.string, s: new TextEncoder().encode(attribute) };
  if (isTensor(attribute)) return { name, type: attributeTypes.tensor, t: tensorMessage('', attribute) };
  if ('float' in attribute) return { name, type: attributeTypes.float, f: attribute.float };
  if ('floats' in attribute) return { name, type: attributeTypes.floats, floats: [...attribute.floats] };
  return { name, type: attributeTypes.ints, ints: (attribute as readonly number[]).map(BigInt) };
}

function tensorMessage(name: string, { type, dims, data }: Tensor): Record<string, unknown> {
  return {
    name,
    dataType: dataTypes[type],
    dims: dims.map(BigInt),
    rawData: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  };
}

function valueMessage({ name, type, dims }: ValueInfo): Record<string, unknown> {
  const dim = dims.map((size) => (typeof size === 'number' ? { dimValue: BigInt(size) } : { dimParam: size }));
  return { name, type: { tensorType: { elemType: dataTypes[type], shape: { dim } } } };
}

// A graph as the bytes of an ONNX model.
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { Attribute, Graph, GraphBody, GraphNode, Initializer, ValueInfo } from './graph.ts';
import { isTensor, typeCode } from './graph.ts';
import { attributeTypes, EXTERNAL, messageSchema } from './schema.ts';

/** The oldest format version (IR) that knows the operator set. */
const irVersion = (opset: number): bigint => (opset >= 23 ? 11n : opset >= 21 ? 10n : opset >= 19 ? 9n : 8n);

/** The bytes of an ONNX model (ModelProto) that holds the graph. */
export function encodeGraph(graph: Graph): Uint8Array<ArrayBuffer> {
  const schema = messageSchema('ModelProto');
  const model = create(schema, {
    irVersion: irVersion(graph.opset),
    producerName: 'gradlens',
    opsetImport: [
      { domain: '', version: BigInt(graph.opset) },
      ...Object.entries(domainVersions(graph)).map(([domain, version]) => ({ domain, version: BigInt(version) })),
    ],
    metadataProps: Object.entries(graph.metadata).map(([key, value]) => ({ key, value })),
    functions: [...(graph.functions ?? [])],
    graph: bodyMessage(graph),
  });
  return toBinary(schema, model);
}

function domainVersions(graph: Graph): Record<string, number> {
  const used = graph.nodes.map(({ domain }) => domain).filter((domain) => domain !== '');
  return { ...Object.fromEntries(used.map((domain) => [domain, 1])), ...graph.domains };
}

function bodyMessage(body: GraphBody): Record<string, unknown> {
  return {
    name: 'gradlens',
    node: body.nodes.map(nodeMessage),
    initializer: [...body.initializers].map(([name, tensor]) => tensorMessage(name, tensor)),
    input: body.inputs.map(valueMessage),
    output: body.outputs.map(valueMessage),
  };
}

function nodeMessage({ name, op, domain, inputs, outputs, attributes }: GraphNode): Record<string, unknown> {
  return {
    ...(name === undefined ? {} : { name }),
    opType: op,
    domain,
    input: [...inputs],
    output: [...outputs],
    attribute: Object.entries(attributes).map(([key, attribute]) => attributeMessage(key, attribute)),
  };
}

function attributeMessage(name: string, attribute: Attribute): Record<string, unknown> {
  const { int, string, tensor, float, floats, strings, graph, ints } = attributeTypes;
  if (typeof attribute === 'number' || typeof attribute === 'bigint') return { name, type: int, i: BigInt(attribute) };
  if (typeof attribute === 'string') return { name, type: string, s: utf8(attribute) };
  if (isTensor(attribute)) return { name, type: tensor, t: tensorMessage('', attribute) };
  if ('float' in attribute) return { name, type: float, f: attribute.float };
  if ('floats' in attribute) return { name, type: floats, floats: [...attribute.floats] };
  if ('strings' in attribute) return { name, type: strings, strings: attribute.strings.map(utf8) };
  if ('bytes' in attribute) return { name, type: string, s: attribute.bytes };
  if ('graph' in attribute) return { name, type: graph, g: bodyMessage(attribute.graph) };
  if ('opaque' in attribute) return opaqueMessage(attribute.opaque);
  return { name, type: ints, ints: (attribute as readonly (number | bigint)[]).map(BigInt) };
}

const opaqueMessage = (bytes: Uint8Array): Record<string, unknown> =>
  fromBinary(messageSchema('AttributeProto'), bytes) as unknown as Record<string, unknown>;

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

function tensorMessage(name: string, tensor: Initializer): Record<string, unknown> {
  const { type, dims } = tensor;
  const common = { name, dataType: typeCode(type), dims: dims.map(BigInt) };
  if ('external' in tensor) {
    const externalData = Object.entries(tensor.external).map(([key, value]) => ({ key, value }));
    return { ...common, dataLocation: EXTERNAL, externalData };
  }
  const { buffer, byteOffset, byteLength } = tensor.data;
  return { ...common, rawData: new Uint8Array(buffer, byteOffset, byteLength) };
}

function valueMessage({ name, type, dims, unknownRank }: ValueInfo): Record<string, unknown> {
  const dim = dims.map(dimensionMessage);
  return { name, type: { tensorType: { elemType: typeCode(type), ...(unknownRank ? {} : { shape: { dim } }) } } };
}

function dimensionMessage(size: number | string): Record<string, unknown> {
  if (typeof size === 'number') return { dimValue: BigInt(size) };
  return size === '' ? {} : { dimParam: size };
}

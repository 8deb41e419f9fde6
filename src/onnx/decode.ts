// Reads the bytes of an ONNX model as a graph. Files come from anywhere: every fault is an answer, never a crash.
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import type { Message } from '@bufbuild/protobuf';
import type { Attribute, Dimension, Graph, GraphBody, GraphNode, Initializer, StoredTensor, Tensor, ValueInfo } from './graph.ts';
import { isComputable, isTensor } from './graph.ts';
import { attributeTypes, messageSchema } from './schema.ts';
import { FormatFault, readTensor, typeOfCode } from './decodeTensor.ts';
import type { TensorMessage } from './decodeTensor.ts';

/** Why a file is no model that can be used. */
export interface ModelFault {
  readonly file: string;
  /** One sentence naming the file and the fault. */
  readonly message: string;
}

export type DecodeResult = { readonly ok: true; readonly graph: Graph } | { readonly ok: false; readonly fault: ModelFault };

/**
 * The graph of an ONNX model. Constants share the memory of `bytes` where their alignment allows it.
 * `file` is the name that a fault is reported under.
 */
export function decodeModel(bytes: Uint8Array, file: string): DecodeResult {
  const refuse = (reason: string): DecodeResult => ({ ok: false, fault: { file, message: `${file} is not a usable ONNX model: ${reason}.` } });
  try {
    return { ok: true, graph: readModel(fromBinary(messageSchema('ModelProto'), bytes) as unknown as ModelMessage) };
  } catch (error) {
    if (error instanceof FormatFault) return refuse(error.message);
    // The protobuf reader reports broken bytes with errors of many classes.
    return refuse(`its bytes cannot be read (${error instanceof Error ? error.message : String(error)})`);
  }
}

interface EntryMessage { readonly key: string; readonly value: string }
interface DimensionMessage { readonly dimValue: bigint; readonly dimParam: string }
interface ValueMessage {
  readonly name: string;
  readonly type?: { readonly tensorType?: { readonly elemType: number; readonly shape?: { readonly dim: readonly DimensionMessage[] } } };
}
interface AttributeMessage {
  readonly name: string;
  readonly f: number;
  readonly i: bigint;
  readonly s: Uint8Array;
  readonly t?: TensorMessage;
  readonly g?: GraphMessage;
  readonly floats: readonly number[];
  readonly ints: readonly bigint[];
  readonly strings: readonly Uint8Array[];
  readonly type: number;
}
interface NodeMessage {
  readonly name: string;
  readonly opType: string;
  readonly domain: string;
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly attribute: readonly AttributeMessage[];
}
interface GraphMessage {
  readonly node: readonly NodeMessage[];
  readonly initializer: readonly TensorMessage[];
  readonly sparseInitializer: readonly Uint8Array[];
  readonly input: readonly ValueMessage[];
  readonly output: readonly ValueMessage[];
}
interface ModelMessage {
  readonly graph?: GraphMessage;
  readonly opsetImport: readonly { readonly domain: string; readonly version: bigint }[];
  readonly metadataProps: readonly EntryMessage[];
  readonly functions: readonly Uint8Array[];
}

function readModel({ graph, opsetImport, metadataProps, functions }: ModelMessage): Graph {
  if (!graph) throw new FormatFault('it holds no graph');
  const versions = new Map(opsetImport.map(({ domain, version }) => [domain === 'ai.onnx' ? '' : domain, Number(version)]));
  const opset = versions.get('');
  if (opset === undefined) throw new FormatFault('it does not say which operator set it uses');
  versions.delete('');
  const body = readBody(graph, new Set());
  return {
    ...body,
    opset,
    ...(versions.size > 0 ? { domains: Object.fromEntries(versions) } : {}),
    ...(functions.length > 0 ? { functions } : {}),
    metadata: Object.fromEntries(metadataProps.map(({ key, value }) => [key, value])),
  };
}

/** `outer` are the values that the body may read from around it. */
function readBody(message: GraphMessage, outer: ReadonlySet<string>): GraphBody {
  if (message.sparseInitializer.length > 0) throw new FormatFault('it has sparse constants, which are not supported');
  const initializers = new Map<string, Initializer>(message.initializer.map((tensor) => [tensor.name, readTensor(tensor)]));
  const inputs = message.input.map(readValue).filter(({ name }) => !initializers.has(name));
  const known = new Set([...outer, ...initializers.keys(), ...inputs.map(({ name }) => name)]);
  const nodes = message.node.map((node) => readNode(node, known));
  const outputs = message.output.map(readValue);
  for (const { name } of outputs) if (!known.has(name)) throw new FormatFault(`no node computes the output ${name}`);
  return { nodes, inputs, outputs, initializers };
}

function readValue({ name, type }: ValueMessage): ValueInfo {
  const tensor = type?.tensorType;
  if (!tensor) throw new FormatFault(`${name} is no tensor`);
  const elementType = typeOfCode(tensor.elemType, name);
  if (!isComputable(elementType)) throw new FormatFault(`${name} has the type ${elementType}, which cannot be passed to a model`);
  const common = { name, type: elementType };
  return tensor.shape ? { ...common, dims: tensor.shape.dim.map(readDimension) } : { ...common, dims: [], unknownRank: true };
}

function readDimension(dim: DimensionMessage): Dimension {
  if (!Object.hasOwn(dim, 'dimValue')) return dim.dimParam;
  const size = Number(dim.dimValue);
  // Some exporters write -1 or 0 for a size that is not known.
  return size >= 0 ? size : '';
}

/** Adds the node's outputs to `known`. */
function readNode(message: NodeMessage, known: Set<string>): GraphNode {
  const { name, opType: op, domain, input, output } = message;
  if (op === '') throw new FormatFault(`the node ${name || output.join()} names no operator`);
  const missing = input.find((value) => value !== '' && !known.has(value));
  if (missing !== undefined) throw new FormatFault(`${op} reads ${missing}, which nothing before it computes`);
  const attributes = Object.fromEntries(message.attribute.map((attribute) => [attribute.name, readAttribute(attribute, known)]));
  for (const value of output) {
    if (value !== '' && known.has(value)) throw new FormatFault(`two values are named ${value}`);
    known.add(value);
  }
  return {
    ...(name === '' ? {} : { name }),
    op,
    domain: domain === 'ai.onnx' ? '' : domain,
    inputs: input,
    outputs: output,
    attributes,
  };
}

function readAttribute(message: AttributeMessage, known: ReadonlySet<string>): Attribute {
  const { name, t, g } = message;
  switch (message.type) {
    case attributeTypes.int: return readInt(message.i);
    case attributeTypes.ints: return readInts(message.ints);
    case attributeTypes.float: return { float: message.f };
    case attributeTypes.floats: return { floats: message.floats };
    case attributeTypes.string: return readString(message.s);
    case attributeTypes.strings: return { strings: message.strings.map((text) => new TextDecoder().decode(text)) };
    case attributeTypes.tensor:
      if (!t) throw new FormatFault(`the attribute ${name} has no tensor`);
      return readTensorAttribute(t, message);
    case attributeTypes.graph:
      if (!g) throw new FormatFault(`the attribute ${name} has no graph`);
      return { graph: readBody(g, known) };
    default: return opaque(message);
  }
}

const opaque = (message: AttributeMessage): Attribute => ({
  opaque: toBinary(messageSchema('AttributeProto'), message as unknown as Message),
});

function readTensorAttribute(tensor: TensorMessage, message: AttributeMessage): Attribute {
  const constant: Initializer | Tensor | StoredTensor = readTensor(tensor);
  return !('external' in constant) && isTensor(constant) ? constant : opaque(message);
}

const safe = (value: bigint): boolean => value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER);

const readInt = (value: bigint): number | bigint => (safe(value) ? Number(value) : value);

const readInts = (values: readonly bigint[]): readonly number[] | readonly bigint[] =>
  values.every(safe) ? values.map(Number) : values;

function readString(bytes: Uint8Array): string | { readonly bytes: Uint8Array } {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return { bytes };
  }
}

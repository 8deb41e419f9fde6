// The ONNX messages that GradLens reads and writes, described at run time from their field numbers (onnx.proto, IR 10).
import { create, createFileRegistry } from '@bufbuild/protobuf';
import type { DescMessage } from '@bufbuild/protobuf';
import {
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
} from '@bufbuild/protobuf/wkt';

const scalars = { int32: Type.INT32, int64: Type.INT64, uint64: Type.UINT64, float: Type.FLOAT, double: Type.DOUBLE, string: Type.STRING, bytes: Type.BYTES } as const;

/** field: [number, type]; a type with [] is repeated; a capitalised type is a message. */
const messages: Record<string, Record<string, readonly [number, string]>> = {
  StringStringEntryProto: { key: [1, 'string'], value: [2, 'string'] },
  OperatorSetIdProto: { domain: [1, 'string'], version: [2, 'int64'] },
  Dimension: { dimValue: [1, 'int64'], dimParam: [2, 'string'] },
  TensorShapeProto: { dim: [1, 'Dimension[]'] },
  TensorTypeProto: { elemType: [1, 'int32'], shape: [2, 'TensorShapeProto'] },
  TypeProto: { tensorType: [1, 'TensorTypeProto'], sequenceType: [4, 'bytes'], mapType: [5, 'bytes'], optionalType: [9, 'bytes'] },
  ValueInfoProto: { name: [1, 'string'], type: [2, 'TypeProto'] },
  TensorProto: {
    dims: [1, 'int64[]'],
    dataType: [2, 'int32'],
    floatData: [4, 'float[]'],
    int32Data: [5, 'int32[]'],
    int64Data: [7, 'int64[]'],
    name: [8, 'string'],
    rawData: [9, 'bytes'],
    stringData: [6, 'bytes[]'],
    doubleData: [10, 'double[]'],
    uint64Data: [11, 'uint64[]'],
    externalData: [13, 'StringStringEntryProto[]'],
    dataLocation: [14, 'int32'],
  },
  AttributeProto: {
    name: [1, 'string'],
    f: [2, 'float'],
    i: [3, 'int64'],
    s: [4, 'bytes'],
    t: [5, 'TensorProto'],
    g: [6, 'GraphProto'],
    floats: [7, 'float[]'],
    ints: [8, 'int64[]'],
    strings: [9, 'bytes[]'],
    type: [20, 'int32'],
  },
  NodeProto: {
    input: [1, 'string[]'],
    output: [2, 'string[]'],
    name: [3, 'string'],
    opType: [4, 'string'],
    attribute: [5, 'AttributeProto[]'],
    domain: [7, 'string'],
  },
  GraphProto: {
    node: [1, 'NodeProto[]'],
    name: [2, 'string'],
    initializer: [5, 'TensorProto[]'],
    input: [11, 'ValueInfoProto[]'],
    output: [12, 'ValueInfoProto[]'],
    // Messages that are passed on or only noticed are declared as their bytes, which the wire format allows.
    sparseInitializer: [15, 'bytes[]'],
  },
  ModelProto: {
    irVersion: [1, 'int64'],
    producerName: [2, 'string'],
    producerVersion: [3, 'string'],
    graph: [7, 'GraphProto'],
    opsetImport: [8, 'OperatorSetIdProto[]'],
    metadataProps: [14, 'StringStringEntryProto[]'],
    functions: [25, 'bytes[]'],
  },
};

const snake = (name: string): string => name.replaceAll(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);

function field(name: string, [number, written]: readonly [number, string]) {
  const repeated = written.endsWith('[]');
  const type = repeated ? written.slice(0, -2) : written;
  const scalar = scalars[type as keyof typeof scalars] as Type | undefined;
  return {
    name: snake(name),
    number,
    label: repeated ? Label.REPEATED : Label.OPTIONAL,
    ...(scalar === undefined ? { type: Type.MESSAGE, typeName: `.onnx.${type}` } : { type: scalar }),
    // Numbers in lists are packed as onnx.proto declares them.
    ...(repeated && scalar !== undefined && scalar !== Type.STRING && scalar !== Type.BYTES ? { options: { packed: true } } : {}),
  };
}

const file = create(FileDescriptorProtoSchema, {
  name: 'onnx.proto',
  package: 'onnx',
  syntax: 'proto2',
  messageType: Object.entries(messages).map(([name, fields]) => ({
    name,
    field: Object.entries(fields).map(([fieldName, description]) => field(fieldName, description)),
  })),
});

const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: [file] }));

export function messageSchema(name: keyof typeof messages): DescMessage {
  const schema = registry.getMessage(`onnx.${name}`);
  if (!schema) throw new RangeError(`no ONNX message ${name}`);
  return schema;
}

/** TensorProto.data_location: the bytes lie in another file. */
export const EXTERNAL = 1;

/** AttributeProto.type */
export const attributeTypes = { float: 1, int: 2, string: 3, tensor: 4, graph: 5, floats: 6, ints: 7, strings: 8 } as const;

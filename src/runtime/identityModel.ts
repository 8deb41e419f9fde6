// The smallest ONNX model: y = Identity(x) for x of any shape, encoded by hand so that the host needs no schema.
import type { TensorType } from './protocol.ts';

/** TensorProto.DataType */
const typeCodes: Readonly<Record<TensorType, number>> = { float32: 1, uint8: 2, int8: 3, int32: 6, int64: 7, bool: 9, float16: 10, float64: 11 };

/** A protobuf field of bytes; every length here is below 128. */
const bytes = (field: number, ...parts: readonly Uint8Array[]): Buffer => {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.of((field << 3) | 2, content.byteLength), content]);
};
const text = (field: number, value: string): Buffer => bytes(field, Buffer.from(value));
const integer = (field: number, value: number): Buffer => Buffer.of(field << 3, value);

/** A model with the input `x` and the output `y`, without a stated shape (onnx.proto: ModelProto, GraphProto, NodeProto, ValueInfoProto). */
export function identityModel(type: TensorType): Uint8Array {
  const value = (field: number, name: string): Buffer => bytes(field, text(1, name), bytes(2, bytes(1, integer(1, typeCodes[type]))));
  const node = bytes(1, text(1, 'x'), text(2, 'y'), text(4, 'Identity'));
  const graph = bytes(7, node, text(2, 'identity'), value(11, 'x'), value(12, 'y'));
  const [irVersion, opset] = [integer(1, 8), bytes(8, integer(2, 17))];
  return Buffer.concat([irVersion, graph, opset]);
}

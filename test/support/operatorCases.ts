// The operator cases of the ONNX standard: a model of one operator, inputs, and the outputs that the standard defines.
import { fromBinary } from '@bufbuild/protobuf';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { decodeModel } from '../../src/onnx/decode.ts';
import type { TensorMessage } from '../../src/onnx/decodeTensor.ts';
import { FormatFault, readTensor } from '../../src/onnx/decodeTensor.ts';
import type { Graph, Tensor } from '../../src/onnx/graph.ts';
import { isComputable } from '../../src/onnx/graph.ts';
import { messageSchema } from '../../src/onnx/schema.ts';

/** Beside the project. */
export const operatorCases = new URL('../../../shared/data/onnx/operators/', import.meta.url);

export interface OperatorCase {
  readonly name: string;
  /** The same case in simpler operators, as the standard writes the operator out. */
  readonly isTwin: boolean;
  readonly graph: Graph;
  readonly feeds: Readonly<Record<string, Tensor>>;
  readonly expected: Readonly<Record<string, Tensor>>;
}

export type ReadCase = { readonly ok: true; readonly case: OperatorCase } | { readonly ok: false; readonly name: string; readonly reason: string };

export const hasOperatorCases = (): boolean => existsSync(operatorCases);

const TWIN = /_expanded(_ver\d+)?$/;

/** The operator that a case is about: its only node's, or for a twin that of the case it belongs to. */
export const baseName = (name: string): string => name.replace(TWIN, '');

export function* readOperatorCases(): Generator<ReadCase> {
  for (const name of readdirSync(operatorCases).sort()) yield readCase(name);
}

function readCase(name: string): ReadCase {
  const folder = new URL(`${name}/`, operatorCases);
  const decoded = decodeModel(new Uint8Array(readFileSync(new URL('model.onnx', folder))), name);
  if (!decoded.ok) return { ok: false, name, reason: reasonOf(decoded.fault.message) };
  const { graph } = decoded;
  try {
    const read = (kind: string, values: Graph['inputs']): Record<string, Tensor> =>
      Object.fromEntries(values.map((value, i) => [value.name, readData(new URL(`test_data_set_0/${kind}_${i}.pb`, folder))]));
    return { ok: true, case: { name, isTwin: TWIN.test(name), graph, feeds: read('input', graph.inputs), expected: read('output', graph.outputs) } };
  } catch (error) {
    if (error instanceof FormatFault) return { ok: false, name, reason: reasonOf(error.message) };
    throw error;
  }
}

function readData(file: URL): Tensor {
  const tensor = readTensor(fromBinary(messageSchema('TensorProto'), new Uint8Array(readFileSync(file))) as unknown as TensorMessage);
  if ('external' in tensor || !isComputable(tensor.type)) throw new FormatFault(`it has the element type ${tensor.type}`);
  return tensor as Tensor;
}

/** Why a case cannot be read, in words that several cases share. */
function reasonOf(message: string): string {
  const code = /element type (\d+)/.exec(message)?.[1];
  if (code !== undefined) return `the element type ${narrowTypes[code] ?? code} is not read`;
  const type = /has the type (\w+)/.exec(message)?.[1];
  if (type !== undefined) return `${type} values cannot be passed to a model`;
  if (message.includes('is no tensor')) return 'sequences and optional values are not read';
  return message;
}

const narrowTypes: Readonly<Record<string, string>> = {
  8: 'string', 14: 'complex64', 15: 'complex128', 17: 'float8', 18: 'float8', 19: 'float8', 20: 'float8', 23: 'float4', 24: 'float8', 25: 'uint2', 26: 'int2',
};

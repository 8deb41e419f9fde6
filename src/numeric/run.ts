// Runs a table program and its gradient on the model host.
import type { TableProgram } from './tableProgram.ts';
import { differentiate } from '../onnx/differentiate.ts';
import { encodeGraph } from '../onnx/encode.ts';
import type { ModelHost, Session } from '../runtime/client.ts';
import type { HostTensor } from '../runtime/protocol.ts';

export interface TableGradientResult {
  readonly loss: number;
  /** d loss / d parameter, in the parameter's own layout. */
  readonly gradients: Readonly<Record<string, Float32Array>>;
}

export interface TableRunner {
  /** The execution provider that runs it. */
  readonly provider: string;
  /** The probability of each output value, [batch, length, outputs]. */
  outputs(feeds: Record<string, HostTensor>, tables: Readonly<Record<string, Float32Array>>): Promise<Float32Array>;
  gradients(feeds: Record<string, HostTensor>, tables: Readonly<Record<string, Float32Array>>): Promise<TableGradientResult>;
  dispose(): Promise<void>;
}

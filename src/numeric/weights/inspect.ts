// Looks inside a compiled transformer on one input: who attends to whom, and what the residual stream holds.
import { transformerGraph } from './graph.ts';
import type { TransformerWeights } from './transformer.ts';
import { encodeInputs, inputProblem } from '../compiledModel.ts';
import { describeWeights } from '../exportModel.ts';
import { encodeGraph } from '../../onnx/encode.ts';
import type { Value } from '../../rasp/program.ts';
import type { ModelHost } from '../../runtime/client.ts';
import type { HostTensor } from '../../runtime/protocol.ts';

/** What a group of directions says at a position: an op's value (or the values it may have), or its number. */
export type Reading =
  | { readonly label: string; readonly kind: 'values'; readonly values: readonly Value[]; readonly strength: number }
  | { readonly label: string; readonly kind: 'number'; readonly number: number };

export interface HeadActivations {
  readonly label: string;
  /** The id of the op's node in its program. */
  readonly node: number;
  /** [query][key], BOS first; rows sum to 1. */
  readonly probabilities: readonly (readonly number[])[];
}

export interface LayerActivations {
  readonly heads: readonly HeadActivations[];
  /** What each position holds when the layer is done, BOS first. */
  readonly residual: readonly (readonly Reading[])[];
}

export interface Activations {
  readonly embedding: readonly (readonly Reading[])[];
  readonly layers: readonly LayerActivations[];
}

/**
 * Runs the transformer on one input with its activations as outputs.
 * @throws RangeError for an input that `inputProblem` objects to; RuntimeError, HostDiedError
 */
export async function inspect(weights: TransformerWeights, input: readonly Value[], host: ModelHost): Promise<Activations> {
  const description = describeWeights(weights);
  const problem = inputProblem(description, input);
  if (problem !== null) throw new RangeError(problem);
  const session = await host.createSession(encodeGraph(transformerGraph(weights, { activations: true })), { provider: 'cpu', optimization: 'disabled' });
  try {
    const outputs = await session.run(encodeInputs(description, [input]));
    const tensor = (name: string): HostTensor => {
      const found = outputs[name];
      if (!found) throw new RangeError(`the output ${name} is missing`);
      return found;
    };
    return {
      embedding: readings(weights, tensor('embedding'), -1),
      layers: weights.layers.map(({ attention }, l) => ({
        heads: (attention?.heads ?? []).map(({ label, node }, h) => ({ label, node: node.id, probabilities: head(tensor(`layer${l}/attention/probabilities`), h) })),
        residual: readings(weights, tensor(`layer${l}/residual`), 2 * l + 1),
      })),
    };
  } finally {
    await session.release();
  }
}

/** One head of [1, heads, queries, keys]. */
function head({ dims, data }: HostTensor, h: number): number[][] {
  const n = dims[2] ?? 0;
  return Array.from({ length: n }, (_, q) => Array.from({ length: n }, (_k, k) => Number(data[(h * n + q) * n + k])));
}

/** An indicator counts from one half on; a direction that nothing has written yet says nothing. */
function readings({ directions }: TransformerWeights, { dims, data }: HostTensor, stage: number): Reading[][] {
  const [, positions = 0, width = 0] = dims;
  return Array.from({ length: positions }, (_, p) =>
    directions.flatMap(({ label, values, stage: written }, d): Reading[] => {
      const x = Number(data[p * width + d]);
      if (written > stage) return [];
      if (values === null) return [{ label, kind: 'number', number: x }];
      return x > 0.5 ? [{ label, kind: 'values', values, strength: x }] : [];
    }),
  );
}

// Looks inside a compiled transformer on one input: who attends to whom, and what the residual stream holds.
import type { DirectionGroup } from './directionGroups.ts';
import { directionGroups } from './directionGroups.ts';
import { transformerGraph } from './graph.ts';
import type { Levels } from './residual.ts';
import type { TransformerWeights } from './transformer.ts';
import type { ModelDescription } from '../compiledModel.ts';
import { decodeOutput, encodeInputs, inputProblem, outputName } from '../compiledModel.ts';
import { describeWeights } from '../exportModel.ts';
import { encodeGraph } from '../../onnx/encode.ts';
import type { Value } from '../../rasp/program.ts';
import type { ModelHost, Session } from '../../runtime/client.ts';
import type { HostTensor } from '../../runtime/protocol.ts';

interface ReadingBase {
  readonly label: string;
  /** Index of the `directionGroups` that say it. */
  readonly group: number;
}

/** What a group of directions says at a position: an op's value (or the values it may have), or its number. */
export type Reading =
  | (ReadingBase & { readonly kind: 'values'; readonly values: readonly Value[]; readonly strength: number })
  /** `value` is what the number stands for: the nearest of the op's values. */
  | (ReadingBase & { readonly kind: 'number'; readonly number: number; readonly value: Value });

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
  /** One value a position, BOS left out. */
  readonly output: readonly Value[];
}

/** A transformer on the model host with its activations as outputs. Dispose it. */
export class InspectedTransformer {
  private readonly groups: readonly DirectionGroup[];

  private constructor(
    private readonly weights: TransformerWeights,
    readonly description: ModelDescription,
    private readonly session: Session,
  ) {
    this.groups = directionGroups(weights.directions);
  }

  /** @throws RuntimeError, HostDiedError */
  static async open(weights: TransformerWeights, host: ModelHost): Promise<InspectedTransformer> {
    const session = await host.createSession(encodeGraph(transformerGraph(weights, { activations: true })), { provider: 'cpu', optimization: 'disabled' });
    return new InspectedTransformer(weights, describeWeights(weights), session);
  }

  /** @throws RangeError for an input that `inputProblem` objects to; RuntimeError, HostDiedError */
  async run(input: readonly Value[]): Promise<Activations> {
    const { description, weights } = this;
    const problem = inputProblem(description, input);
    if (problem !== null) throw new RangeError(problem);
    const outputs = await this.session.run(encodeInputs(description, [input]));
    const tensor = (name: string): HostTensor => {
      const found = outputs[name];
      if (!found) throw new RangeError(`the output ${name} is missing`);
      return found;
    };
    return {
      embedding: this.readings(tensor('embedding'), -1),
      layers: weights.layers.map(({ attention }, l) => ({
        heads: (attention?.heads ?? []).map(({ label, node }, h) => ({ label, node: node.id, probabilities: head(tensor(`layer${l}/attention/probabilities`), h) })),
        residual: this.readings(tensor(`layer${l}/residual`), 2 * l + 1),
      })),
      output: decodeOutput(description, tensor(outputName(description)))[0] ?? [],
    };
  }

  async dispose(): Promise<void> {
    await this.session.release();
  }

  /** A group that nothing has written yet says nothing. */
  private readings({ dims, data }: HostTensor, stage: number): Reading[][] {
    const [, positions = 0, width = 0] = dims;
    return Array.from({ length: positions }, (_, p) =>
      this.groups.flatMap((group, g): Reading[] => (group.stage > stage ? [] : this.reading(group, g, (d) => Number(data[p * width + d])))),
    );
  }

  /** An indicator counts from one half on. */
  private reading({ label, kind, first, count }: DirectionGroup, group: number, at: (direction: number) => number): Reading[] {
    const { directions } = this.weights;
    if (kind === 'number') return [{ label, group, kind, number: at(first), value: nearest(directions[first]?.levels, at(first)) }];
    for (let d = first; d < first + count; d++) {
      if (at(d) > 0.5) return [{ label, group, kind, values: directions[d]?.values ?? [], strength: at(d) }];
    }
    return [];
  }
}

function nearest(levels: Levels | undefined, number: number): Value {
  if (!levels) return number;
  let best = 0;
  levels.codes.forEach((code, i) => {
    if (Math.abs(code - number) < Math.abs((levels.codes[best] ?? Infinity) - number)) best = i;
  });
  return levels.values[best] ?? null;
}

/** One head of [1, heads, queries, keys]. */
function head({ dims, data }: HostTensor, h: number): number[][] {
  const n = dims[2] ?? 0;
  return Array.from({ length: n }, (_, q) => Array.from({ length: n }, (_k, k) => Number(data[(h * n + q) * n + k])));
}

// A compiled program as a model file: what its metadata says, how inputs become tokens and outputs become values.
import * as v from 'valibot';
import type { Graph } from '../onnx/graph.ts';
import type { Dialect, Value } from '../rasp/program.ts';
import { describe, equals } from '../rasp/scalar.ts';
import type { HostTensor } from '../runtime/protocol.ts';

/** The name of token 0, which stands before every input. */
export const BOS = 'BOS';

export interface ModelSource {
  /** The file's name, without its folder. */
  readonly file: string;
  readonly text: string;
  readonly entry: string;
  readonly dialect: Dialect;
  readonly form: 'weights' | 'tables';
  readonly causal: boolean;
}

/** What a compiled model says about itself, in `metadata_props`. */
export interface ModelDescription {
  /** `gradlens.vocab`: index = token id; BOS is 0. */
  readonly vocab: readonly Value[];
  /** `gradlens.classes`: what each logit stands for; null where the output is `values`. */
  readonly classes: readonly Value[] | null;
  /** `gradlens.maxLength`: longest input, BOS not counted. */
  readonly maxLength: number;
  /** `gradlens.source` */
  readonly source: ModelSource | null;
}

const value = v.nullable(v.union([v.number(), v.string(), v.boolean()]));
const schema = v.object({
  vocab: v.pipe(v.array(value), v.minLength(2)),
  classes: v.nullable(v.array(value)),
  maxLength: v.pipe(v.number(), v.integer(), v.minValue(1)),
  source: v.nullable(v.object({
    file: v.string(),
    text: v.string(),
    entry: v.string(),
    dialect: v.picklist(['rasp', 'tracr']),
    form: v.picklist(['weights', 'tables']),
    causal: v.boolean(),
  })),
});

const keys = ['vocab', 'classes', 'maxLength', 'source'] as const;

/** The graph with its description. */
export function describedGraph(graph: Graph, description: ModelDescription): Graph {
  const own = Object.fromEntries(keys.map((key) => [`gradlens.${key}`, JSON.stringify(description[key])]));
  return { ...graph, metadata: { ...graph.metadata, ...own } };
}

/** The description of a model, or a sentence that says why it has none. */
export function readDescription(metadata: Readonly<Record<string, string>>): ModelDescription | string {
  if (metadata['gradlens.vocab'] === undefined) return 'it was not made by “gradlens compile”: it has no gradlens.vocab';
  const read: Record<string, unknown> = {};
  for (const key of keys) {
    try {
      read[key] = JSON.parse(metadata[`gradlens.${key}`] ?? 'null');
    } catch {
      return `its gradlens.${key} is not JSON`;
    }
  }
  const { success, output, issues } = v.safeParse(schema, read);
  if (success) return output;
  const [issue] = issues;
  return `its gradlens.${v.getDotPath(issue) ?? 'metadata'} is wrong: ${issue.message}`;
}

/** Why an input cannot be given to a model, or null. */
export function inputProblem({ vocab, maxLength }: ModelDescription, input: readonly Value[]): string | null {
  if (input.length === 0) return 'The input is empty; the model needs at least one token.';
  if (input.length > maxLength) return `The input has ${input.length} tokens, and the model was compiled for ${maxLength} at most.`;
  const unknown = input.find((token) => tokenId(vocab, token) < 0);
  if (unknown === undefined) return null;
  const tokens = vocab.slice(1);
  const some = tokens.slice(0, 20).map(describe).join(', ');
  return `The token ${describe(unknown)} is not in the model's vocabulary: ${some}${tokens.length > 20 ? ', …' : ''}.`;
}

function tokenId(vocab: readonly Value[], token: Value): number {
  const exact = vocab.indexOf(token, 1);
  return exact > 0 ? exact : vocab.findIndex((known, i) => i > 0 && equals(known, token));
}

/** The feed `tokens` for inputs of one length, which must be free of problems. */
export function encodeInputs({ vocab }: ModelDescription, inputs: readonly (readonly Value[])[]): { readonly tokens: HostTensor } {
  const positions = (inputs[0]?.length ?? 0) + 1;
  const data = new BigInt64Array(inputs.length * positions);
  inputs.forEach((input, e) => {
    if (input.length + 1 !== positions) throw new RangeError('the inputs of one run must have one length');
    input.forEach((token, i) => (data[e * positions + i + 1] = BigInt(tokenId(vocab, token))));
  });
  return { tokens: { type: 'int64', dims: [inputs.length, positions], data } };
}

/** The name of the output that holds the result. */
export const outputName = ({ classes }: ModelDescription): 'logits' | 'values' => (classes ? 'logits' : 'values');

/** The values of each input, BOS left out, from `logits` or `values`. */
export function decodeOutput({ classes }: ModelDescription, output: HostTensor): Value[][] {
  const [batch = 0, positions = 0] = output.dims;
  const data = output.data as Float32Array;
  const width = classes ? classes.length : 1;
  return Array.from({ length: batch }, (_, e) =>
    Array.from({ length: positions - 1 }, (_x, i) => {
      const at = (e * positions + i + 1) * width;
      if (!classes) return data[at] ?? Number.NaN;
      let best = 0;
      for (let c = 1; c < width; c++) if ((data[at + c] ?? 0) > (data[at + best] ?? 0)) best = c;
      return classes[best] ?? null;
    }),
  );
}

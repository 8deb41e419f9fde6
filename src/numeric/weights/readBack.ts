// Reads a trained transformer back: what its heads attend to and what its directions say, on many inputs at once.
import type { DirectionGroup } from './directionGroups.ts';
import { directionGroups } from './directionGroups.ts';
import { transformerGraph } from './graph.ts';
import { nameOf } from './problem.ts';
import type { Direction } from './residual.ts';
import { TOLERANCE } from './trainingGraph.ts';
import type { Head, TransformerWeights } from './transformer.ts';
import { decodeOutput, encodeInputs, outputName } from '../compiledModel.ts';
import { describeWeights } from '../exportModel.ts';
import { encodeGraph } from '../../onnx/encode.ts';
import type { AggregateOp, Node, Program, Selector, SOp, Value, WidthOp } from '../../rasp/program.ts';
import { isSelector, nodesBelow } from '../../rasp/program.ts';
import type { ModelHost } from '../../runtime/client.ts';
import type { HostTensor } from '../../runtime/protocol.ts';
import type { CancellationToken } from '../../shared/cancellation.ts';
import { throwIfCancelled } from '../../shared/cancellation.ts';

interface ReadingBase {
  /** When the transformer knows it: see Stage; the output comes after all stages. */
  readonly stage: number;
  /** How clear-cut it is, 0 to 1. */
  readonly clarity: number;
}

/** Whom a head attends to. */
export interface AttentionReading extends ReadingBase {
  readonly kind: 'attention';
  readonly node: AggregateOp | WidthOp;
  readonly selector: Selector;
  /**
   * 1 where a query attends to a key, by two standards: near the most attended key of its row (which says nothing of
   * rows that select nothing), and far above BOS (which training may have moved). Input by input, [query][key].
   */
  readonly relations: readonly Uint8Array[];
}

/** What an op's value is. */
export interface ValueReading extends ReadingBase {
  readonly kind: 'values';
  readonly node: SOp;
  /** Input by input, at each position: the values that one direction stands for. */
  readonly values: readonly (readonly Value[])[];
  /** How far a number may be off. */
  readonly tolerance: number;
}

export type OpReading = AttentionReading | ValueReading;

/** A key is attended to from this share of the row's largest weight on. */
const ATTENDED = 0.25;
/** Logarithms beyond say nothing more. */
const FAR = 12;
/** Two groups of weights nearer than e are one group. */
const APART = 1;

/**
 * The readings of every op that the weights compute where it can be told, in the order in which they compute them; the
 * output is the last.
 * @param program the one whose compiled weights were trained: the layout is its
 * @param inputs free of `inputProblem`s
 * @throws RuntimeError, HostDiedError, CancelledError
 */
export async function readOps(program: Program, weights: TransformerWeights, inputs: readonly (readonly Value[])[], host: ModelHost, token: CancellationToken): Promise<readonly OpReading[]> {
  const session = await host.createSession(encodeGraph(transformerGraph(weights, { activations: true })), { provider: 'cpu' });
  const reader = new Reader(program, weights, inputs);
  try {
    for (const places of byLength(inputs)) {
      throwIfCancelled(token);
      const feeds = encodeInputs(describeWeights(weights), places.map((e) => inputs[e] ?? []));
      reader.take(places, await session.run(feeds, { token }));
    }
  } finally {
    await session.release();
  }
  return reader.readings();
}

function byLength(inputs: readonly (readonly Value[])[]): Iterable<readonly number[]> {
  const groups = new Map<number, number[]>();
  inputs.forEach(({ length }, e) => groups.set(length, [...(groups.get(length) ?? []), e]));
  return groups.values();
}

type Outputs = Readonly<Record<string, HostTensor>>;

/** Logarithms of one head's weights, where BOS is no key. */
interface HeadLog {
  readonly head: Head;
  readonly node: AggregateOp | WidthOp;
  readonly layer: number;
  readonly place: number;
  readonly overMost: Float32Array;
  readonly overBos: Float32Array;
}

interface GroupLog {
  readonly group: DirectionGroup;
  readonly node: SOp;
  readonly values: (readonly Value[])[];
  clarity: number;
}

class Reader {
  /** First position and first cell of each input. */
  private readonly positions: readonly number[];
  private readonly cells: readonly number[];
  private readonly heads: readonly HeadLog[];
  private readonly groups: readonly GroupLog[];
  private readonly output: (readonly Value[])[] = [];
  private outputClarity = 0;
  private readonly total: number;

  constructor(
    private readonly program: Program,
    private readonly weights: TransformerWeights,
    inputs: readonly (readonly Value[])[],
  ) {
    this.positions = starts(inputs.map(({ length }) => length));
    this.cells = starts(inputs.map(({ length }) => length ** 2));
    this.total = inputs.reduce((sum, { length }) => sum + length, 0);
    const size = inputs.reduce((sum, { length }) => sum + length ** 2, 0);
    this.heads = weights.layers.flatMap(({ attention }, layer) =>
      (attention?.heads ?? []).flatMap((head, place): HeadLog[] => {
        const node = selecting(head, program);
        return node ? [{ head, node, layer, place, overMost: new Float32Array(size), overBos: new Float32Array(size) }] : [];
      }),
    );
    this.groups = namedGroups(program, weights);
  }

  /** The activations on some inputs of one length. */
  take(places: readonly number[], outputs: Outputs): void {
    const description = describeWeights(this.weights);
    for (const log of this.heads) this.attended(log, places, tensor(outputs, `layer${log.layer}/attention/probabilities`));
    for (const log of this.groups) this.decode(log, places, tensor(outputs, `layer${Math.floor(log.group.stage / 2)}/residual`));
    const logits = tensor(outputs, outputName(description));
    const decoded = decodeOutput(description, logits);
    places.forEach((e, row) => (decoded[row] ?? []).forEach((value, i) => (this.output[(this.positions[e] ?? 0) + i] = [value])));
    this.outputClarity += description.classes ? marginsOf(logits) : decoded.reduce((sum, { length }) => sum + length, 0);
  }

  readings(): readonly OpReading[] {
    const { program, total, weights } = this;
    const heads = this.heads.map(({ node, layer, overMost, overBos }): OpReading => {
      const { relation, clarity } = split(overBos, node.kind === 'width' ? -Math.log(weights.maxLength) : 0);
      const relations = [overMost.some((x) => x < Math.log(ATTENDED)) ? Uint8Array.from(overMost, (x) => (x >= Math.log(ATTENDED) ? 1 : 0)) : relation, relation];
      return { kind: 'attention', node, selector: node.selector, stage: 2 * layer, clarity, relations };
    });
    const values = this.groups.map(({ group, node, values: read, clarity }): OpReading => ({ kind: 'values', node, stage: group.stage, values: read, clarity: clarity / Math.max(1, total), tolerance: 0 }));
    const tolerance = weights.readout.kind === 'values' ? TOLERANCE : 0;
    const output: OpReading = { kind: 'values', node: program.output, stage: Number.POSITIVE_INFINITY, values: this.output, clarity: this.outputClarity / Math.max(1, total), tolerance };
    return [...[...heads, ...values].sort((a, b) => a.stage - b.stage), output];
  }

  /** Of probabilities [batch, heads, queries, keys], BOS first on both sides. */
  private attended({ place, overMost, overBos }: HeadLog, rows: readonly number[], { dims, data }: HostTensor): void {
    const [, heads = 1, n = 0] = dims;
    rows.forEach((e, row) => {
      for (let q = 1; q < n; q++) {
        const from = ((row * heads + place) * n + q) * n;
        const weights = Array.from({ length: n }, (_, k) => Math.log(Math.max(Number(data[from + k]), Number.MIN_VALUE)));
        const [bos = 0, ...keys] = weights;
        const most = Math.max(...keys);
        const to = (this.cells[e] ?? 0) + (q - 1) * (n - 1);
        keys.forEach((weight, k) => {
          overMost[to + k] = weight - most;
          overBos[to + k] = Math.max(-FAR, Math.min(FAR, weight - bos));
        });
      }
    });
  }

  /** Of the stream [batch, length + 1, d_model], BOS first. */
  private decode(log: GroupLog, rows: readonly number[], { dims, data }: HostTensor): void {
    const [, n = 0, width = 0] = dims;
    const { first, count, kind } = log.group;
    const directions = this.weights.directions.slice(first, first + count);
    rows.forEach((e, row) => {
      for (let i = 1; i < n; i++) {
        const from = (row * n + i) * width + first;
        const numbers = Array.from({ length: count }, (_, d) => Number(data[from + d]));
        const { values, clarity } = kind === 'number' ? nearest(directions[0], numbers[0] ?? 0) : largest(directions, numbers);
        log.values[(this.positions[e] ?? 0) + i - 1] = values;
        log.clarity += clarity;
      }
    });
  }
}

/** The op of the program that a head computes with a selector; null for lengths and for heads that training was given. */
function selecting({ node, label }: Head, { output }: Program): AggregateOp | WidthOp | null {
  if (label !== nameOf(node) || !nodesBelow(output).includes(node)) return null;
  return node.kind === 'aggregate' || node.kind === 'width' ? node : null;
}

/** Groups whose op is told by its name alone, without what the embedding writes, which is known, and the output, which is read as it comes out. */
function namedGroups({ output }: Program, { directions }: TransformerWeights): GroupLog[] {
  const byName = new Map<string, Node[]>();
  for (const node of nodesBelow(output)) byName.set(nameOf(node), [...(byName.get(nameOf(node)) ?? []), node]);
  return directionGroups(directions).flatMap((group): GroupLog[] => {
    const [node, ...more] = byName.get(group.label) ?? [];
    const levelled = group.kind === 'values' ? group.count > 1 : directions[group.first]?.levels !== undefined;
    if (!node || node === output || more.length > 0 || isSelector(node) || group.stage < 0 || !levelled) return [];
    return [{ group, node, values: [], clarity: 0 }];
  });
}

function largest(directions: readonly Direction[], numbers: readonly number[]): { readonly values: readonly Value[]; readonly clarity: number } {
  let best = 0;
  numbers.forEach((x, d) => (best = x > (numbers[best] ?? 0) ? d : best));
  const rest = Math.max(...numbers.filter((_, d) => d !== best));
  return { values: directions[best]?.values ?? [], clarity: Math.max(0, Math.min(1, (numbers[best] ?? 0) - rest)) };
}

/** The value whose code is nearest; clear where the number is on its code, not at all half-way to the next. */
function nearest(direction: Direction | undefined, number: number): { readonly values: readonly Value[]; readonly clarity: number } {
  const { codes, values } = direction?.levels ?? { codes: [], values: [] };
  const distance = (i: number): number => Math.abs((codes[i] ?? Number.POSITIVE_INFINITY) - number);
  let best = 0;
  codes.forEach((_, i) => (best = distance(i) < distance(best) ? i : best));
  const code = codes[best] ?? 0;
  const gap = Math.min(...codes.filter((other) => other !== code).map((other) => Math.abs(other - code)));
  const clarity = Number.isFinite(gap) ? Math.max(0, 1 - (2 * distance(best)) / gap) : 1;
  return { values: values.slice(best, best + 1), clarity };
}

/**
 * Numbers in two groups, by the threshold that sets most of their variance between the groups; one group where the means
 * are near each other, and then `alone` is what its numbers must reach to be attended to.
 * Source: Otsu, “A threshold selection method from gray-level histograms” (1979); the clarity is its η.
 */
export function split(numbers: Float32Array, alone: number): { readonly relation: Uint8Array; readonly clarity: number } {
  const sorted = numbers.slice().sort();
  const sum = sorted.reduce((a, b) => a + b, 0);
  const variance = sorted.reduce((s, x) => s + (x - sum / sorted.length) ** 2, 0);
  let [below, best, threshold, apart] = [0, 0, Number.NEGATIVE_INFINITY, 0];
  for (let i = 1; i < sorted.length; i++) {
    below += sorted[i - 1] ?? 0;
    if (sorted[i] === sorted[i - 1]) continue;
    const gap = (sum - below) / (sorted.length - i) - below / i;
    const between = ((i * (sorted.length - i)) / sorted.length) * gap ** 2;
    if (between > best) [best, threshold, apart] = [between, ((sorted[i] ?? 0) + (sorted[i - 1] ?? 0)) / 2, gap];
  }
  // A head that selects nothing looks like one that training has broken: it is not clear.
  if (apart < APART) {
    const all = sum / sorted.length >= alone - APART ? 1 : 0;
    return { relation: new Uint8Array(numbers.length).fill(all), clarity: all };
  }
  return { relation: Uint8Array.from(numbers, (x) => (x > threshold ? 1 : 0)), clarity: best / variance };
}

/** How far the likeliest class is ahead of the next in probability, summed over the positions of [batch, length + 1, classes]. */
function marginsOf({ dims, data }: HostTensor): number {
  const [batch = 0, n = 0, width = 0] = dims;
  let sum = 0;
  for (let row = 0; row < batch * n; row++) {
    if (row % n === 0) continue;
    const logits = Array.from({ length: width }, (_, c) => Number(data[row * width + c])).sort((a, b) => b - a);
    const [first = 0, second = Number.NEGATIVE_INFINITY] = logits;
    sum += (1 - Math.exp(second - first)) / logits.reduce((total, x) => total + Math.exp(x - first), 0);
  }
  return sum;
}

function starts(sizes: readonly number[]): number[] {
  let at = 0;
  return sizes.map((size) => (at += size) - size);
}

function tensor(outputs: Outputs, name: string): HostTensor {
  const found = outputs[name];
  if (!found) throw new RangeError(`the output ${name} is missing`);
  return found;
}

// Two texts side by side within the host: both go on by a token, and are compared there.
import type { LoopRuntime, RuntimeTensor } from './decodeLoop.ts';
import { isOver, Lane, lastRow, required } from './decodeLoop.ts';
import type { PairedToken, PairRequest } from './protocol.ts';
import { normDrift } from '../shared/normDrift.ts';
import { divergence } from '../shared/sampling.ts';

export interface DecodedPair<T> {
  readonly steps: readonly PairedToken[];
  /** The carried inputs of each after the last pass. */
  readonly states: readonly [Readonly<Record<string, T>>, Readonly<Record<string, T>>];
}

interface Side<T> {
  readonly cache: Readonly<Record<string, T>>;
  readonly runtime: LoopRuntime<T>;
}

/** Decodes at least one token of each. Ends with the first to end. */
export async function decodePair<T extends RuntimeTensor>(request: PairRequest, sides: readonly [Side<T>, Side<T>]): Promise<DecodedPair<T>> {
  const started = performance.now();
  const [first, second] = [laneOf(request, 0, sides[0]), laneOf(request, 1, sides[1])];
  const steps: PairedToken[] = [];
  do {
    const results = [await first.pass(), await second.pass()] as const;
    const [a, b] = [lastRow(required(results[0], 'logits')), lastRow(required(results[1], 'logits'))];
    const drifts = request.reads.map((name) => normDrift(lastRow(required(results[0], name)), lastRow(required(results[1], name))));
    const own = first.choose(a, request.sampling);
    const other = request.follow === 'first' ? second.take(own.id, b) : second.choose(b, request.sampling);
    steps.push({ tokens: [own, other], divergence: divergence(a, b), drifts });
  } while (!([0, 1] as const).some((side) => isOver(request, steps.map(({ tokens }) => tokens[side]), started)));
  return { steps, states: [first.state, second.state] };
}

const laneOf = <T extends RuntimeTensor>(request: PairRequest, at: 0 | 1, { cache, runtime }: Side<T>): Lane<T> => new Lane(request.lanes[at], request.steps, cache, runtime);

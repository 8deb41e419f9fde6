// The path integral seen from the layers: what of F(to) − F(from) passes through each row of each layer while the input
// moves along the path (Dhamdhere et al. 2018, conductance).
import type { Panel } from './panels.ts';
import { pointsOfPanel, stieltjesWeights } from './panels.ts';
import type { PathEnds } from './path.ts';
import { between } from './path.ts';

/** What a layer holds at a point, and F's gradient by it; both [rows, width]. */
export interface LayerEvaluation {
  readonly activation: Float32Array;
  readonly gradient: Float32Array;
}

/** Of several points, for each the layers that are asked for. */
export type LayerFunction = (points: readonly Float64Array[]) => Promise<readonly (readonly LayerEvaluation[])[]>;

export interface LayerPathQuestion {
  readonly ends: PathEnds;
  readonly panels: readonly Panel[];
  /** Rows of a layer, which may be more than those of the input. */
  readonly rows: number;
  readonly chunk: number;
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * ∫ ∂F/∂h · dh along the path for each row of each layer; the rows of any one layer sum up to F(to) − F(from). Panel by
 * panel, so that no more than the points of one are held.
 */
export async function layerPath(f: LayerFunction, { ends, panels, rows, chunk, onProgress }: LayerPathQuestion): Promise<readonly Float64Array[]> {
  const total = 1 + panels.length * (stieltjesWeights.length - 1);
  let done = 0;
  const evaluate = async (places: readonly number[]): Promise<(readonly LayerEvaluation[])[]> => {
    const found: (readonly LayerEvaluation[])[] = [];
    for (let at = 0; at < places.length; at += chunk) {
      const part = places.slice(at, at + chunk);
      found.push(...(await f(part.map((place) => between(ends.from, ends.to, place)))));
      onProgress?.((done += part.length), total);
    }
    return found;
  };
  let last = (await evaluate([panels[0]?.start ?? 0]))[0] ?? [];
  const sums = last.map(() => new Float64Array(rows));
  for (const panel of panels) {
    const points = [last, ...(await evaluate(pointsOfPanel(panel).slice(1)))];
    sums.forEach((sum, layer) => addPanel(sum, points.flatMap((point) => point[layer] ?? [])));
    last = points.at(-1) ?? [];
  }
  return sums;
}

/** sums += Σⱼ Σₖ weights[j][k] · g(j) · h(k), by row. */
function addPanel(sums: Float64Array, points: readonly LayerEvaluation[]): void {
  const width = (points[0]?.activation.length ?? 0) / sums.length;
  points.forEach(({ gradient }, j) => {
    const weights = stieltjesWeights[j] ?? [];
    for (let row = 0, i = 0; row < sums.length; row++) {
      let sum = 0;
      for (const end = (row + 1) * width; i < end; i++) {
        const slope = gradient[i] ?? 0;
        if (slope === 0) continue;
        let moved = 0;
        for (let k = 0; k < points.length; k++) moved += (weights[k] ?? 0) * (points[k]?.activation[i] ?? 0);
        sum += slope * moved;
      }
      sums[row] = (sums[row] ?? 0) + sum;
    }
  });
}

// Integrated gradients whose points go where the function bends: panels are halved until their parts add up.
import type { Panel } from './panels.ts';
import { evenPanels, halvesOf, panelWeights, pointsOfPanel } from './panels.ts';
import type { DifferentiableFunction, PathAnswer, PathEnds } from './path.ts';
import { between, movedBy } from './path.ts';

export interface RefinedQuestion extends PathEnds {
  /** Points that go together. */
  readonly chunk: number;
  /** Points to begin with. */
  readonly steps: number;
  /** What the panels may miss together, as a share of |F(to) − F(from)|. */
  readonly tolerance: number;
  /** Points at most. */
  readonly mostSteps: number;
  readonly onProgress?: (done: number, total: number) => void;
}

export interface RefinedAnswer extends PathAnswer {
  /** In order; they cover the path. */
  readonly panels: readonly Panel[];
}

/** What is kept of a point: its value, and of each row Σ (to − from) · gradient. */
interface Point {
  readonly value: number;
  readonly rows: Float64Array;
}

/** Of a change, what is not worth a panel: the rounding of a model in float32. */
const LEAST_CHANGE = 0.01;
const NARROWEST = 2 ** -24;
/** That a halved panel needs beside the ones it has. */
const NEW_POINTS = 6;

/**
 * Integrated gradients of F(to) − F(from) with panels of five points. Each panel's own error is known, because F is known
 * at both of its ends: those that err most are halved, until all together miss at most the tolerance.
 */
export async function refinedPath(f: DifferentiableFunction, question: RefinedQuestion): Promise<RefinedAnswer> {
  const points = new Map<number, Point>();
  let panels = evenPanels(question.steps);
  for (;;) {
    await evaluate(f, question, points, panels);
    const next = halved(panels, points, question);
    if (next === null) break;
    panels = next;
  }
  const rows = new Float64Array(question.to.length / question.width);
  for (const panel of panels) integral(panel, points).forEach((value, row) => (rows[row] = (rows[row] ?? 0) + value));
  return { rows, panels, start: points.get(0)?.value ?? Number.NaN, end: points.get(1)?.value ?? Number.NaN, points: points.size };
}

/** Adds the points that the panels want and that are not known yet. */
async function evaluate(f: DifferentiableFunction, question: RefinedQuestion, points: Map<number, Point>, panels: readonly Panel[]): Promise<void> {
  const wanted = [...new Set(panels.flatMap(pointsOfPanel))].filter((at) => !points.has(at));
  const total = points.size + wanted.length;
  for (let done = 0; done < wanted.length; done += question.chunk) {
    const places = wanted.slice(done, done + question.chunk);
    const evaluations = await f(places.map((at) => between(question.from, question.to, at)));
    evaluations.forEach(({ value, gradient }, i) => points.set(places[i] ?? 0, { value, rows: movedBy(question, gradient) }));
    question.onProgress?.(points.size, total);
  }
}

/** The panels with the worst of them halved; null where they are good enough or the points are used up. */
function halved(panels: readonly Panel[], points: ReadonlyMap<number, Point>, { tolerance, mostSteps }: RefinedQuestion): readonly Panel[] | null {
  const change = Math.abs(valueAt(points, 1) - valueAt(points, 0));
  const allowed = tolerance * Math.max(change, LEAST_CHANGE);
  const errors = panels.map((panel) => Math.abs(integral(panel, points).reduce((sum, value) => sum + value, 0) - (valueAt(points, panel.end) - valueAt(points, panel.start))));
  if (errors.reduce((sum, error) => sum + error, 0) <= allowed) return null;
  const affordable = Math.floor((mostSteps - points.size) / NEW_POINTS);
  const worst = panels
    .map((panel, i) => ({ panel, error: errors[i] ?? 0 }))
    .filter(({ panel, error }) => error > allowed / (2 * panels.length) && panel.end - panel.start > NARROWEST)
    .sort((a, b) => b.error - a.error)
    .slice(0, Math.max(0, affordable));
  if (worst.length === 0) return null;
  const split = new Set(worst.map(({ panel }) => panel));
  return panels.flatMap((panel) => (split.has(panel) ? halvesOf(panel) : [panel]));
}

const valueAt = (points: ReadonlyMap<number, Point>, at: number): number => points.get(at)?.value ?? Number.NaN;

/** Of each row over the panel. */
function integral(panel: Panel, points: ReadonlyMap<number, Point>): Float64Array {
  const own = pointsOfPanel(panel).map((at) => points.get(at)?.rows ?? new Float64Array());
  return Float64Array.from(own[0] ?? [], (_, row) => (panel.end - panel.start) * own.reduce((sum, rows, i) => sum + (panelWeights[i] ?? 0) * (rows[row] ?? 0), 0));
}

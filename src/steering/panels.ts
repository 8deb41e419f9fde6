// Panels of a path: pieces of [0, 1] with five Gauss-Lobatto points each, whose ends are shared and whose middle is the end
// of its halves.

export interface Panel {
  readonly start: number;
  readonly end: number;
}

/** Gauss-Lobatto points on [0, 1], exact up to degree 7 (Abramowitz and Stegun, 25.4.32). */
const inner = Math.sqrt(3 / 7) / 2;
export const panelNodes: readonly number[] = [0, 0.5 - inner, 0.5, 0.5 + inner, 1];
export const panelWeights: readonly number[] = [1 / 20, 49 / 180, 16 / 45, 49 / 180, 1 / 20];

export const pointsOfPanel = ({ start, end }: Panel): readonly number[] =>
  panelNodes.map((node) => (node === 1 ? end : start + (end - start) * node));

/** As many panels of the same width as take about so many steps. */
export function evenPanels(steps: number): readonly Panel[] {
  const count = Math.max(1, Math.round(steps / (panelNodes.length - 1)));
  return Array.from({ length: count }, (_, i) => ({ start: i / count, end: (i + 1) / count }));
}

export const halvesOf = ({ start, end }: Panel): readonly Panel[] => {
  const middle = start + (end - start) * 0.5;
  return [{ start, end: middle }, { start: middle, end }];
};

/**
 * ∫ g · dh over a panel is Σ weights[j][k] · g(j) · h(k): h is interpolated through the five points and differentiated
 * (Berrut and Trefethen 2004, section 9.3).
 */
export const stieltjesWeights: readonly (readonly number[])[] = (() => {
  const barycentric = panelNodes.map((x, j) => 1 / panelNodes.reduce((product, other, k) => (k === j ? product : product * (x - other)), 1));
  return panelNodes.map((x, j) => {
    const row = panelNodes.map((other, k) => (k === j ? 0 : (barycentric[k] ?? 0) / (barycentric[j] ?? 1) / (x - other)));
    row[j] = -row.reduce((sum, value) => sum + value, 0);
    return row.map((value) => value * (panelWeights[j] ?? 0));
  });
})();

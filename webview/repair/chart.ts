// The trajectory as a chart: loss and share of exact examples over steps.
import { exactSeries, lossSeries, ThemedPlot } from '../plot.ts';
import type { ChartPoint } from '../../src/shared/messages.ts';

export class TrajectoryChart {
  private readonly plot: ThemedPlot;

  constructor(box: HTMLElement) {
    this.plot = new ThemedPlot(box, {
      xLabel: 'step',
      series: (colour) => [exactSeries('exact', colour('--vscode-charts-green', '#388a34')), lossSeries('loss', colour('--vscode-charts-orange', '#d18616'))],
    });
  }

  draw(points: readonly ChartPoint[]): void {
    this.plot.draw([points.map(({ step }) => step), points.map(({ accuracy }) => 100 * accuracy), points.map(({ loss }) => loss)]);
  }
}

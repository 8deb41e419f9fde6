// Two repair runs in one chart: loss and share of exact examples over seconds.
import uPlot from 'uplot';
import { exactSeries, lossSeries, ThemedPlot } from '../plot.ts';
import type { ChartPoint } from '../../src/shared/messages.ts';

export class ComparisonChart {
  private readonly plot: ThemedPlot;

  constructor(box: HTMLElement) {
    this.plot = new ThemedPlot(box, {
      xLabel: 's',
      series: (colour) => {
        const [first, second] = [colour('--vscode-charts-blue', '#1a85ff'), colour('--vscode-charts-orange', '#d18616')];
        return [exactSeries('exact A', first), lossSeries('loss A', first), exactSeries('exact B', second), lossSeries('loss B', second)];
      },
    });
  }

  draw(a: readonly ChartPoint[], b: readonly ChartPoint[]): void {
    this.plot.draw(uPlot.join([columns(a), columns(b)]));
  }

  clear(): void {
    this.plot.clear();
  }
}

/** Points of one instant share a place: the latest stands for them. */
function columns(points: readonly ChartPoint[]): uPlot.AlignedData {
  const latest = points.filter(({ millis }, i) => points[i + 1]?.millis !== millis);
  return [latest.map(({ millis }) => millis / 1000), latest.map(({ accuracy }) => 100 * accuracy), latest.map(({ loss }) => loss)];
}

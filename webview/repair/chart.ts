// The trajectory as a chart: loss and share of exact examples over steps, in the theme's colours.
import uPlot from 'uplot';
import type { ChartPoint } from '../../src/shared/messages.ts';

const HEIGHT = 200;

export class TrajectoryChart {
  private plot: uPlot | null = null;

  constructor(private readonly box: HTMLElement) {
    new ResizeObserver(() => this.resize()).observe(box);
    // The theme's colours are read when the chart is made: another theme needs another chart.
    new MutationObserver(() => this.forget()).observe(document.body, { attributes: true, attributeFilter: ['class'] });
  }

  draw(points: readonly ChartPoint[]): void {
    const data: uPlot.AlignedData = [
      points.map(({ step }) => step),
      points.map(({ accuracy }) => 100 * accuracy),
      points.map(({ loss }) => loss),
    ];
    if (this.plot) this.plot.setData(data);
    else this.plot = new uPlot(this.options(), data, this.box);
  }

  private forget(): void {
    this.plot?.destroy();
    this.plot = null;
  }

  private resize(): void {
    const width = this.width();
    if (this.plot && width > 0) this.plot.setSize({ width, height: HEIGHT });
  }

  private width(): number {
    return Math.floor(this.box.getBoundingClientRect().width);
  }

  private options(): uPlot.Options {
    const colour = (token: string, fallback: string): string => getComputedStyle(document.body).getPropertyValue(token).trim() || fallback;
    const foreground = colour('--vscode-foreground', '#888');
    const grid = { stroke: colour('--vscode-editorWidget-border', 'rgba(128,128,128,0.25)'), width: 1 };
    const axis = { stroke: foreground, grid, ticks: grid, font: '11px var(--vscode-font-family)' };
    return {
      width: Math.max(200, this.width()),
      height: HEIGHT,
      cursor: { show: true },
      legend: { show: true },
      scales: { x: { time: false }, exact: { range: [0, 100] }, loss: { range: (_plot, _low, high) => [0, Math.max(0.1, high * 1.1)] } },
      axes: [
        { ...axis, label: 'step', labelSize: 18, size: 32 },
        { ...axis, scale: 'exact', values: (_plot, ticks) => ticks.map((tick) => `${tick} %`), size: 60 },
        { ...axis, scale: 'loss', side: 1, grid: { show: false }, size: 44 },
      ],
      series: [
        { label: 'step' },
        { label: 'exact', scale: 'exact', stroke: colour('--vscode-charts-green', '#388a34'), width: 2, value: (_plot, value: number | null) => (value === null ? '–' : `${value.toFixed(0)} %`) },
        { label: 'loss', scale: 'loss', stroke: colour('--vscode-charts-orange', '#d18616'), width: 2, dash: [5, 3], spanGaps: true, value: (_plot, value: number | null) => value?.toFixed(3) ?? '–' },
      ],
    };
  }
}

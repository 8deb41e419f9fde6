// A uPlot chart that fits its box and follows the theme's colours.
import 'uplot/dist/uPlot.min.css';
import './plot.css';
import uPlot from 'uplot';

const HEIGHT = 200;

/** The theme's colour of that token as it is now. */
export type Colour = (token: string, fallback: string) => string;

/** What a chart says about itself; size, scales and axes are the same for all trajectories. */
export interface PlotOptions {
  readonly xLabel: string;
  readonly series: (colour: Colour) => readonly uPlot.Series[];
}

export class ThemedPlot {
  private plot: uPlot | null = null;
  private data: uPlot.AlignedData = [[]];

  constructor(
    private readonly box: HTMLElement,
    private readonly options: PlotOptions,
  ) {
    new ResizeObserver(() => this.resize()).observe(box);
    // The theme's colours are read when the chart is made: another theme needs another chart.
    new MutationObserver(() => this.remake()).observe(document.body, { attributes: true, attributeFilter: ['class'] });
  }

  draw(data: uPlot.AlignedData): void {
    this.data = data;
    if (this.plot) this.plot.setData(data);
    else this.plot = new uPlot(this.uplotOptions(), data, this.box);
  }

  /** Takes the chart away; the next drawing makes it anew. */
  clear(): void {
    this.plot?.destroy();
    this.plot = null;
  }

  private remake(): void {
    if (!this.plot) return;
    this.clear();
    this.draw(this.data);
  }

  private resize(): void {
    const width = this.width();
    if (this.plot && width > 0) this.plot.setSize({ width, height: HEIGHT });
  }

  private width(): number {
    return Math.floor(this.box.getBoundingClientRect().width);
  }

  private uplotOptions(): uPlot.Options {
    const colour: Colour = (token, fallback) => getComputedStyle(document.body).getPropertyValue(token).trim() || fallback;
    const foreground = colour('--vscode-foreground', '#888');
    // In high contrast borders are as bright as the curves.
    const width = document.body.classList.contains('vscode-high-contrast') ? 0.35 : 1;
    const grid = { stroke: colour('--vscode-editorWidget-border', 'rgba(128,128,128,0.25)'), width };
    const axis = { stroke: foreground, grid, ticks: grid, font: '11px var(--vscode-font-family)' };
    return {
      width: Math.max(200, this.width()),
      height: HEIGHT,
      cursor: { show: true },
      legend: { show: true, markers: { dash: (plot, i) => (plot.series[i]?.dash ? 'dashed' : 'solid') } },
      scales: { x: { time: false }, exact: { range: [0, 100] }, loss: { range: (_plot, _low, high) => [0, Math.max(0.1, high * 1.1)] } },
      axes: [
        { ...axis, label: this.options.xLabel, labelSize: 18, size: 32 },
        { ...axis, scale: 'exact', values: (_plot, ticks) => ticks.map((tick) => `${tick} %`), size: 60 },
        { ...axis, scale: 'loss', side: 1, grid: { show: false }, size: 44 },
      ],
      series: [{ label: this.options.xLabel }, ...this.options.series(colour)],
    };
  }
}

/** Share of exact examples, in per cent, on the left scale. */
export const exactSeries = (label: string, stroke: string): uPlot.Series => ({
  label, scale: 'exact', stroke, width: 2, spanGaps: true, value: (_plot, value: number | null) => (value === null ? '–' : `${value.toFixed(0)} %`),
});

/** Loss, dashed, on the right scale. */
export const lossSeries = (label: string, stroke: string): uPlot.Series => ({
  label, scale: 'loss', stroke, width: 2, dash: [5, 3], spanGaps: true, value: (_plot, value: number | null) => value?.toFixed(3) ?? '–',
});

// SVG by hand: elements, axes and a legend on a light ground; enough for the report's three charts.

export interface Tick {
  readonly at: number;
  readonly label: string;
}

export interface Axis {
  readonly label: string;
  readonly from: number;
  readonly to: number;
  readonly scale: 'linear' | 'log';
  readonly ticks: readonly Tick[];
}

/** Colours of Okabe and Ito, told apart by the colour-blind; dashes and marks tell the lines apart without any colour. */
export interface Style {
  readonly colour: string;
  /** stroke-dasharray; empty: solid. */
  readonly dash: string;
  readonly mark: 'circle' | 'square' | 'triangle' | 'diamond';
}

export const styles: readonly Style[] = [
  { colour: '#000000', dash: '', mark: 'circle' },
  { colour: '#0072b2', dash: '6 3', mark: 'square' },
  { colour: '#009e73', dash: '12 3', mark: 'triangle' },
  { colour: '#cc79a7', dash: '9 3 2 3', mark: 'diamond' },
  { colour: '#d55e00', dash: '2 3', mark: 'square' },
  { colour: '#e69f00', dash: '9 3 2 3 2 3', mark: 'circle' },
  { colour: '#56b4e9', dash: '4 4', mark: 'triangle' },
  { colour: '#7f7f7f', dash: '1 3', mark: 'diamond' },
];

export const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

type Attributes = Readonly<Record<string, string | number>>;

export function element(name: string, attributes: Attributes, ...children: readonly string[]): string {
  const list = Object.entries(attributes).map(([key, value]) => ` ${key}="${escaped(typeof value === 'number' ? String(Math.round(value * 100) / 100) : value)}"`);
  return children.length === 0 ? `<${name}${list.join('')}/>` : `<${name}${list.join('')}>${children.join('')}</${name}>`;
}

export const label = (x: number, y: number, text: string, more: Attributes = {}): string => element('text', { x, y, ...more }, escaped(text));

const WIDTH = 900;
const HEIGHT = 480;
const LEFT = 70;
const TOP = 56;
const LEGEND = 200;
const BOTTOM = 64;

/** The area inside the axes, pixels. */
export class PlotArea {
  readonly left = LEFT;
  readonly right = WIDTH - LEGEND;
  readonly top = TOP;
  readonly bottom = HEIGHT - BOTTOM;

  constructor(
    private readonly xAxis: Axis,
    private readonly yAxis: Axis,
  ) {}

  x(value: number): number {
    return this.left + share(this.xAxis, value) * (this.right - this.left);
  }

  y(value: number): number {
    return this.bottom - share(this.yAxis, value) * (this.bottom - this.top);
  }
}

/** Where a value lies on the axis, 0 to 1; what lies beyond stands at its end. */
function share({ from, to, scale }: Axis, value: number): number {
  const at = scale === 'log' ? Math.log(value / from) / Math.log(to / from) : (value - from) / (to - from);
  return Math.min(1, Math.max(0, at));
}

export function marker({ mark, colour }: Style, x: number, y: number, size = 4, more: Attributes = {}): string {
  const points = (list: readonly (readonly [number, number])[]): string => list.map(([dx, dy]) => `${(x + dx * size).toFixed(1)},${(y + dy * size).toFixed(1)}`).join(' ');
  switch (mark) {
    case 'circle':
      return element('circle', { cx: x, cy: y, r: size, fill: colour, ...more });
    case 'square':
      return element('rect', { x: x - size, y: y - size, width: 2 * size, height: 2 * size, fill: colour, ...more });
    case 'triangle':
      return element('polygon', { points: points([[0, -1.2], [1.15, 0.9], [-1.15, 0.9]]), fill: colour, ...more });
    case 'diamond':
      return element('polygon', { points: points([[0, -1.35], [1.35, 0], [0, 1.35], [-1.35, 0]]), fill: colour, ...more });
  }
}

export interface LegendEntry {
  readonly text: string;
  readonly style: Style;
  readonly line: boolean;
}

export interface Chart {
  readonly title: string;
  /** What the chart shows, in words, for those who do not see it. */
  readonly description: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly legend: readonly LegendEntry[];
  readonly notes: readonly string[];
  draw(area: PlotArea): readonly string[];
}

export function svgOf({ title, description, x, y, legend, notes, draw }: Chart): string {
  const area = new PlotArea(x, y);
  return `${element(
    'svg',
    { xmlns: 'http://www.w3.org/2000/svg', width: WIDTH, height: HEIGHT, viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'font-family': 'Helvetica, Arial, sans-serif', 'font-size': 13, fill: '#222222' },
    element('title', {}, escaped(title)),
    element('desc', {}, escaped(description)),
    element('rect', { width: WIDTH, height: HEIGHT, fill: '#ffffff' }),
    label(LEFT, 28, title, { 'font-size': 16, 'font-weight': 'bold' }),
    ...axes(area, x, y),
    ...draw(area),
    ...legend.flatMap((entry, i) => legendEntry(entry, area.right + 20, TOP + 12 + 24 * i)),
    ...notes.map((note, i) => label(area.right + 20, TOP + 28 + 24 * legend.length + 17 * i, note, { 'font-size': 12, fill: '#555555' })),
  )}\n`;
}

function axes(area: PlotArea, x: Axis, y: Axis): string[] {
  const grid = { stroke: '#e4e4e4', 'stroke-width': 1 };
  const frame = { stroke: '#222222', 'stroke-width': 1 };
  return [
    ...x.ticks.flatMap(({ at, label: text }) => [
      element('line', { x1: area.x(at), x2: area.x(at), y1: area.top, y2: area.bottom, ...grid }),
      label(area.x(at), area.bottom + 20, text, { 'text-anchor': 'middle' }),
    ]),
    ...y.ticks.flatMap(({ at, label: text }) => [
      element('line', { x1: area.left, x2: area.right, y1: area.y(at), y2: area.y(at), ...grid }),
      label(area.left - 8, area.y(at) + 4, text, { 'text-anchor': 'end' }),
    ]),
    element('line', { x1: area.left, x2: area.right, y1: area.bottom, y2: area.bottom, ...frame }),
    element('line', { x1: area.left, x2: area.left, y1: area.top, y2: area.bottom, ...frame }),
    label((area.left + area.right) / 2, area.bottom + 46, x.label, { 'text-anchor': 'middle' }),
    label(0, 0, y.label, { 'text-anchor': 'middle', transform: `translate(20 ${(area.top + area.bottom) / 2}) rotate(-90)` }),
  ];
}

function legendEntry({ text, style, line }: LegendEntry, x: number, y: number): string[] {
  // Long enough that the longest dash is seen twice.
  const stroke = element('line', { x1: x, x2: x + 46, y1: y - 4, y2: y - 4, ...strokeOf(style) });
  return [...(line ? [stroke, marker(style, x + 46, y - 4)] : [marker(style, x + 23, y - 4)]), label(x + 58, y, text)];
}

export function strokeOf({ colour, dash }: Style, width = 2): Attributes {
  return { stroke: colour, 'stroke-width': width, fill: 'none', ...(dash === '' ? {} : { 'stroke-dasharray': dash }) };
}

/** Powers of ten from the one below the least to the one above the most, as ticks. */
export function decades(least: number, most: number, text: (value: number) => string): Tick[] {
  const first = Math.floor(Math.log10(least) + 1e-9);
  const last = Math.max(first + 1, Math.ceil(Math.log10(most) - 1e-9));
  return Array.from({ length: last - first + 1 }, (_, i) => 10 ** (first + i)).map((at) => ({ at, label: text(at) }));
}

export const percentTicks: readonly Tick[] = [0, 0.2, 0.4, 0.6, 0.8, 1].map((at) => ({ at, label: `${Math.round(100 * at)} %` }));

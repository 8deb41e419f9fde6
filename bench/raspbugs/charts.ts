// The report's charts: rates by order, repairs over time, candidates with the gradient and without.
import { ORDERS } from './generate.ts';
import type { Measurement } from './measure.ts';
import { isFixed } from './measure.ts';
import type { Method } from './methods.ts';
import { methods as known } from './methods.ts';
import { wilson } from './statistics.ts';
import type { Axis, Chart, LegendEntry, PlotArea, Style } from './svg.ts';
import { decades, element, marker, percentTicks, strokeOf, styles, svgOf } from './svg.ts';

/** A method looks the same in every chart. */
function styleOf(method: Method): Style {
  const [first] = styles;
  const style = styles[Object.keys(known).indexOf(method)] ?? first;
  if (!style) throw new RangeError('there are no styles');
  return style;
}

const methodsOf = (measurements: readonly Measurement[]): Method[] => [...new Set(measurements.map(({ method }) => method))];

const rateAxis: Axis = { label: 'exactly right on fresh inputs', from: 0, to: 1, scale: 'linear', ticks: percentTicks };

/** Every chart that the measurements allow, with the name of its file. */
export function charts(name: string, measurements: readonly Measurement[]): { readonly file: string; readonly svg: string; readonly alt: string }[] {
  if (measurements.length === 0) return [];
  const guided = guidedAgainstUnguided(measurements);
  const all = { rates: ratesByOrder(measurements), time: repairsOverTime(measurements), ...(guided ? { guided } : {}) };
  return Object.entries(all).map(([kind, chart]) => ({ file: `${name}-${kind}.svg`, svg: svgOf(chart), alt: chart.title }));
}

export function ratesByOrder(measurements: readonly Measurement[]): Chart {
  const methods = methodsOf(measurements);
  const groups = [...ORDERS.map((order) => ({ text: String(order), keep: (m: Measurement) => m.order === order })), { text: 'all', keep: () => true }];
  const step = 0.8 / methods.length;
  return {
    title: 'Bugs repaired, by number of mistakes (order)',
    description: 'For each method and order, the share of bugs whose repair is exactly right on fresh inputs, with its 95 % interval. The tables of the report hold the same figures.',
    x: { label: 'order: mistakes in the program', from: 0.5, to: groups.length + 0.5, scale: 'linear', ticks: groups.map(({ text }, g) => ({ at: g + 1, label: text })) },
    y: rateAxis,
    legend: methods.map((method): LegendEntry => ({ text: method, style: styleOf(method), line: false })),
    notes: ['Bars: Wilson, 95 %'],
    draw: (area) =>
      groups.flatMap(({ keep }, g) =>
        methods.flatMap((method, i) => {
          const group = measurements.filter((m) => m.method === method && keep(m));
          return group.length === 0 ? [] : rateMark(area, g + 1 + (i - (methods.length - 1) / 2) * step, group, styleOf(method));
        }),
      ),
  };
}

function rateMark(area: PlotArea, at: number, group: readonly Measurement[], style: Style): string[] {
  const fixed = group.filter(isFixed).length;
  const [low, high] = wilson(fixed, group.length);
  const x = area.x(at);
  const bar = (y: number): string => element('line', { x1: x - 3, x2: x + 3, y1: y, y2: y, stroke: style.colour, 'stroke-width': 1.5 });
  return [element('line', { x1: x, x2: x, y1: area.y(low), y2: area.y(high), stroke: style.colour, 'stroke-width': 1.5 }), bar(area.y(low)), bar(area.y(high)), marker(style, x, area.y(fixed / group.length))];
}

export function repairsOverTime(measurements: readonly Measurement[]): Chart {
  const methods = methodsOf(measurements);
  const seconds = measurements.map((m) => Math.max(0.01, foundMillis(m) / 1000));
  const ticks = decades(Math.min(0.1, ...seconds), Math.max(1, ...seconds), (value) => `${value >= 1 ? value : value.toFixed(value < 0.1 ? 2 : 1)} s`);
  const x: Axis = { label: 'time to the first patch that passes every example (logarithmic)', from: ticks[0]?.at ?? 0.01, to: ticks.at(-1)?.at ?? 100, scale: 'log', ticks };
  return {
    title: 'Bugs repaired, by time',
    description: 'For each method, the share of its bugs that it repaired exactly with a first patch within the time on the axis.',
    x,
    y: { ...rateAxis, label: 'share of bugs repaired exactly' },
    legend: methods.map((method): LegendEntry => ({ text: method, style: styleOf(method), line: true })),
    notes: [],
    draw: (area) => methods.flatMap((method) => staircase(area, x, measurements.filter((m) => m.method === method), styleOf(method))),
  };
}

const foundMillis = ({ firstMillis, millis }: Measurement): number => firstMillis ?? millis;

/** Up at each repair's time, level to the end of the axis, and there the method's mark. */
function staircase(area: PlotArea, x: Axis, group: readonly Measurement[], style: Style): string[] {
  const times = group.filter(isFixed).map((m) => Math.max(x.from, foundMillis(m) / 1000)).sort((a, b) => a - b);
  const at = (value: number): string => value.toFixed(1);
  const path = times.map((time, i) => `H${at(area.x(time))}V${at(area.y((i + 1) / group.length))}`);
  const line = `M${at(area.left)} ${at(area.bottom)}${path.join('')}H${at(area.right)}`;
  return [element('path', { d: line, ...strokeOf(style) }), marker(style, area.right, area.y(times.length / group.length))];
}

export interface Pair {
  readonly guided: Measurement;
  readonly unguided: Measurement;
}

/** The bugs that both `search` and `unguided` were tried on. */
export function pairsOf(measurements: readonly Measurement[]): Pair[] {
  const unguided = new Map(measurements.filter(({ method }) => method === 'unguided').map((m) => [m.id, m]));
  return measurements.flatMap((guided) => {
    const other = guided.method === 'search' ? unguided.get(guided.id) : undefined;
    return other ? [{ guided, unguided: other }] : [];
  });
}

function guidedAgainstUnguided(measurements: readonly Measurement[]): Chart | null {
  const pairs = pairsOf(measurements).filter(({ guided, unguided }) => isFixed(guided) || isFixed(unguided));
  if (pairs.length === 0) return null;
  const all = pairs.flatMap(({ guided, unguided }) => [candidatesOf(guided), candidatesOf(unguided)]);
  const ticks = decades(Math.min(...all), Math.max(...all), (value) => value.toLocaleString('en'));
  const axis: Axis = { label: '', from: ticks[0]?.at ?? 1, to: ticks.at(-1)?.at ?? 10, scale: 'log', ticks };
  const kinds = pairKinds();
  return {
    title: 'Candidates tried with the gradient and without',
    description: 'One point a bug: candidates that the gradient-guided search tried up to its first patch (to its end where it found none), and those of the same search in random order. Above the diagonal the gradient saves work.',
    x: { ...axis, label: 'candidates with the gradient (search)' },
    y: { ...axis, label: 'candidates in random order (unguided)' },
    legend: kinds.map(({ text, style }): LegendEntry => ({ text, style, line: false })),
    notes: ['Dashed: as many'],
    draw: (area) => [
      element('line', { x1: area.left, y1: area.bottom, x2: area.right, y2: area.top, stroke: '#888888', 'stroke-dasharray': '6 4' }),
      ...kinds.flatMap(({ style, is }) =>
        pairs.filter(is).map(({ guided, unguided }) => marker(style, area.x(candidatesOf(guided)), area.y(candidatesOf(unguided)), 4, { 'fill-opacity': '0.6' })),
      ),
    ],
  };
}

/** Up to the first patch, or all. */
export const candidatesOf = ({ firstEvaluations, evaluations }: Measurement): number => Math.max(1, firstEvaluations ?? evaluations);

function pairKinds(): { readonly text: string; readonly style: Style; readonly is: (pair: Pair) => boolean }[] {
  const style = (mark: Style['mark'], colour: string): Style => ({ mark, colour, dash: '' });
  return [
    { text: 'both repair it', style: style('circle', '#0072b2'), is: ({ guided, unguided }) => isFixed(guided) && isFixed(unguided) },
    { text: 'only with gradient', style: style('triangle', '#009e73'), is: ({ guided, unguided }) => isFixed(guided) && !isFixed(unguided) },
    { text: 'only without', style: style('square', '#d55e00'), is: ({ guided, unguided }) => !isFixed(guided) && isFixed(unguided) },
  ];
}

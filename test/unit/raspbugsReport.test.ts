// The benchmark's report: its tables say what the measurements say, and its charts are SVG that any reader takes.
import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { charts, pairsOf, ratesByOrder, repairsOverTime } from '../../bench/raspbugs/charts.ts';
import type { Measurement } from '../../bench/raspbugs/measure.ts';
import type { Method } from '../../bench/raspbugs/methods.ts';
import { methods } from '../../bench/raspbugs/methods.ts';
import type { Report } from '../../bench/raspbugs/report.ts';
import { markdown, summarise } from '../../bench/raspbugs/report.ts';
import { wilson } from '../../bench/raspbugs/statistics.ts';
import { decades, element, PlotArea, styles, svgOf } from '../../bench/raspbugs/svg.ts';

function measurement(method: Method, id: string, more: Partial<Measurement> = {}): Measurement {
  const [program = '', dialect = '', order = ''] = id.split('-');
  return {
    id, program, dialect, order: Number(order), mutations: ['not'], method, status: 'repaired', foundBy: method, patched: true, fresh: 1, balanced: null,
    sameText: false, located: null, evaluations: 10, firstEvaluations: null, millis: 500, firstMillis: 500, jobMillis: 900, clocked: false, summary: '', ...more,
  };
}

const broken = { status: 'unrepairable', patched: false, fresh: 0.2, firstMillis: null } as const;
const measurements: readonly Measurement[] = [
  measurement('search', 'hist-rasp-1-1', { evaluations: 20 }),
  measurement('search', 'hist-tracr-2-1', { evaluations: 100, millis: 3000, firstMillis: 2000 }),
  measurement('search', 'shuffle_dyck-rasp-2-1', { ...broken, balanced: 0.5, fresh: 0.995, clocked: true }),
  measurement('search', 'sort-rasp-5-1', { fresh: 0.8 }),
  measurement('unguided', 'hist-rasp-1-1', { evaluations: 200 }),
  measurement('unguided', 'hist-tracr-2-1', { evaluations: 300, millis: 40 }),
  measurement('unguided', 'shuffle_dyck-rasp-2-1', { balanced: 1 }),
  measurement('unguided', 'sort-rasp-5-1', { ...broken, status: 'failed' }),
];

const report: Report = {
  name: 'example', machine: { CPU: 'a < b & "c"' }, short: [{ program: 'hist', order: 5, count: 4, found: 1 }], measurements,
  settings: { seed: 1, budgetMillis: 5000, examples: 10, fresh: 20, bugs: 5, workers: 2, planned: 10 },
};

/** A strict reading of the part of XML that SVG needs: what is opened is closed, and every attribute is quoted and said once. */
function assertWellFormed(xml: string): void {
  const open: string[] = [];
  const token = /<(\/?)([a-z]+)((?: [A-Za-z][\w-]*="[^"<]*")*)(\/?)>|([^<]+)|(.)/gsu;
  for (const [all, closing, name = '', attributes = '', empty, text, stray] of xml.matchAll(token)) {
    assert.equal(stray, undefined, `stray ${stray} after ${open.join(' ')}`);
    if (text !== undefined || attributes !== '') assert.doesNotMatch(text ?? attributes, /&(?!amp;|lt;|gt;|quot;)/, all);
    if (text !== undefined) continue;
    const names = [...attributes.matchAll(/ ([A-Za-z][\w-]*)=/g)].map(([, attribute]) => attribute);
    assert.equal(new Set(names).size, names.length, all);
    if (closing === '/') assert.equal(open.pop(), name);
    else if (empty !== '/') open.push(name);
  }
  assert.deepEqual(open, []);
}

describe('the charts of the report', () => {
  it('are read by a reader that refuses what is not well formed', () => {
    for (const bad of ['<a><b></a></b>', '<a>', '<a b=c/>', '<a b="1" b="2"/>', '<a>&</a>', '<a b="&"/>', '<a b="<"/>', '<a></a></a>']) assert.throws(() => assertWellFormed(bad), assert.AssertionError);
  });

  const drawn = charts('example', measurements);

  it('are three files of well-formed SVG without a number that is none', () => {
    assert.deepEqual(drawn.map(({ file }) => file), ['example-rates.svg', 'example-time.svg', 'example-guided.svg']);
    for (const { svg } of drawn) {
      assertWellFormed(svg.trimEnd());
      assert.match(svg, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
      assert.doesNotMatch(svg, /NaN|Infinity|undefined/);
    }
  });

  it('escape what they are given', () => {
    const chart = { ...ratesByOrder(measurements), title: 'a < b & "c"', description: '</svg>' };
    assertWellFormed(svgOf(chart).trimEnd());
    assert.equal(element('a', { b: '"<&>' }, 'x'), '<a b="&quot;&lt;&amp;&gt;">x</a>');
  });

  it('tell the methods apart without colour', () => {
    assert.equal(styles.length, Object.keys(methods).length);
    assert.equal(new Set(styles.map(({ dash, mark }) => `${dash}|${mark}`)).size, styles.length);
    assert.equal(new Set(styles.map(({ dash }) => dash)).size, styles.length);
  });

  it('show in the legend the stroke that each line has', () => {
    const svg = svgOf(repairsOverTime(measurements));
    const strokes = (tag: string): string[] => [...svg.matchAll(new RegExp(`<${tag} [^>]*(stroke="#[^"]*" stroke-width="2"[^>]*)/>`, 'gu'))].map(([, stroke = '']) => stroke).sort();
    assert.ok(strokes('path').length > 1);
    assert.deepEqual(strokes('line'), strokes('path'));
  });

  it('put a rate and its interval where the axis says', () => {
    const chart = ratesByOrder(measurements.filter(({ method }) => method === 'search'));
    const area = new PlotArea(chart.x, chart.y);
    const [low, high] = wilson(1, 2);
    const marks = chart.draw(area).join('');
    // Order 2 of `search`: one of two.
    const y = (share: number): string => String(Math.round(area.y(share) * 100) / 100);
    assert.ok(marks.includes(`x1="${String(Math.round(area.x(2) * 100) / 100)}" x2="${String(Math.round(area.x(2) * 100) / 100)}" y1="${y(low)}" y2="${y(high)}"`));
    assert.equal(area.y(0), area.bottom);
    assert.equal(area.y(1), area.top);
  });

  it('raise the share of a method at each of its repairs, and only there', () => {
    const chart = repairsOverTime(measurements);
    const area = new PlotArea(chart.x, chart.y);
    const [search = ''] = chart.draw(area);
    const rises = [...search.matchAll(/H([\d.]+)V([\d.]+)/g)].map(([, x, y]) => [Number(x), Number(y)]);
    const round = (value: number): number => Number(value.toFixed(1));
    assert.deepEqual(rises, [[round(area.x(0.5)), round(area.y(1 / 4))], [round(area.x(2)), round(area.y(2 / 4))]]);
  });

  it('have an axis of powers of ten around the values', () => {
    const at = (least: number, most: number): number[] => decades(least, most, String).map((tick) => tick.at);
    assert.deepEqual(at(3, 700), [1, 10, 100, 1000]);
    assert.deepEqual(at(1, 1), [1, 10]);
    assert.deepEqual(at(0.1, 100), [0.1, 1, 10, 100]);
  });

  it('are none where nothing was measured, and lack the pairs where one side is missing', () => {
    assert.deepEqual(charts('x', []), []);
    assert.deepEqual(charts('x', measurements.filter(({ method }) => method === 'search')).map(({ file }) => file), ['x-rates.svg', 'x-time.svg']);
  });
});

describe('the report', () => {
  const text = markdown(report);

  it('counts a patch as exact only where every fresh input is right', () => {
    const { fixed, patched, bugs, clocked, failed } = summarise(measurements.filter(({ method }) => method === 'unguided'));
    assert.deepEqual({ fixed, patched, bugs, clocked, failed }, { fixed: 3, patched: 3, bugs: 4, clocked: 0, failed: 1 });
    assert.equal(summarise(measurements.filter(({ method }) => method === 'search')).fixed, 2);
  });

  it('has an interval beside every rate of the comparison, and the reported figures labelled so', () => {
    const [low, high] = wilson(2, 4).map((share) => (100 * share).toFixed(1));
    assert.ok(text.includes(`**2/4 50.0 % (${low} % – ${high} %)**`));
    assert.match(text, /reported: weights trained \|/);
    assert.match(text, /\| all \| .*184\/1466 12\.6 % \(11\.0 % – 14\.3 %\) \|/);
    assert.match(text, /GPT-4\.1, one try, all \| 1,466 \| 34\.3 % \(31\.9 % – 36\.8 %\)/);
  });

  it('says what is missing, what ran out and what died', () => {
    assert.match(text, /Stopped before the end: 8 of 10 repairs/);
    assert.match(text, /hist has only 1 of 4 distinct bugs of order 5/);
    assert.match(text, /`unguided`: sort-rasp-5-1 \(not; the process died\)/);
    assert.match(text, /`search`: shuffle_dyck-rasp-2-1 \(not\), sort-rasp-5-1 \(not; wrong patch\)/);
    assert.doesNotMatch(text, /NaN|undefined/);
  });

  it('compares the search with and without its gradient bug by bug', () => {
    assert.equal(pairsOf(measurements).length, 4);
    assert.match(text, /on 4 bugs: both repair 2, only `search` 0, only `unguided` 1\. There the median of candidates up to the first patch is 20 with the gradient and 200 without; the median bug needs 3 times as many without \(order 1: 10\.0, order 2: 3\.0\)/);
  });

  it('shows every chart that is written', () => {
    for (const { file } of charts(report.name, measurements)) assert.ok(text.includes(`](${file})`), file);
  });
});

// The page of repair runs: a table to choose from, and two runs side by side.
import './style.css';
import { registerComponents } from '../components.ts';
import { button, element } from '../dom.ts';
import { statusText } from '../repair/status.ts';
import { ComparisonChart } from './chart.ts';
import type { FromRunsPage, RunDetail, RunRow, RunsState, ToRunsPage } from '../../src/shared/runsMessages.ts';

declare function acquireVsCodeApi(): { postMessage(message: FromRunsPage): void };

const vscode = acquireVsCodeApi();
registerComponents();

const names = ['A', 'B'] as const;

class Page {
  private readonly hint = element('p', { class: 'hint', role: 'status' });
  private readonly actions = element('div', { class: 'actions' });
  private readonly rows = element('tbody');
  private readonly list: HTMLElement;
  private readonly facts = element('table', { class: 'facts' });
  private readonly chartBox = element('div', { class: 'chart', role: 'img', 'aria-label': 'Loss and share of exact examples over seconds, of both runs' });
  private readonly chart = new ComparisonChart(this.chartBox);
  private readonly points = element('tbody');
  private readonly curves: HTMLElement;
  private readonly sides = element('div', { class: 'sides' });
  private readonly comparison: HTMLElement;
  private chosen: readonly string[] = [];

  constructor(root: HTMLElement) {
    const head = ['', 'Started', 'Program', 'Status', 'Method', 'Exact', 'Time', ''].map((name) => element('th', { scope: 'col' }, name));
    this.list = element('div', { class: 'scroll' }, element('table', { class: 'runs' }, element('thead', {}, element('tr', {}, ...head)), this.rows));
    const pointHead = ['Run', 'Time', 'Stage', 'Loss', 'Exact'].map((name) => element('th', { scope: 'col' }, name));
    const table = element('div', { class: 'scroll' }, element('table', {}, element('thead', {}, element('tr', {}, ...pointHead)), this.points));
    this.curves = element('section', {}, element('h2', {}, 'Trajectories'), this.chartBox, element('details', {}, element('summary', {}, 'As a table'), table));
    this.comparison = element('div', { class: 'comparison' }, element('h2', {}, 'Side by side'), element('div', { class: 'scroll' }, this.facts), this.curves, this.sides);
    root.append(element('header', {}, element('h1', {}, 'Repair runs'), this.hint, this.actions), this.list, this.comparison);
  }

  show({ rows, chosen }: RunsState): void {
    this.chosen = chosen.map(({ id }) => id);
    document.body.dataset.rows = String(rows.length);
    document.body.dataset.chosen = String(chosen.length);
    this.hint.textContent = hintFor(rows.length, chosen.length);
    this.list.hidden = rows.length === 0;
    this.showActions(rows.length);
    this.showRows(rows);
    this.compare(chosen);
  }

  private showActions(rows: number): void {
    const label = this.chosen.length === 0 ? 'Export all as JSON' : 'Export chosen as JSON';
    this.actions.replaceChildren(...(rows === 0 ? [] : [button(label, () => vscode.postMessage({ type: 'export' }))]));
  }

  private showRows(rows: readonly RunRow[]): void {
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.key : undefined;
    this.rows.replaceChildren(...rows.map((row) => this.row(row)));
    if (focused) this.rows.querySelector<HTMLElement>(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  }

  private row({ id, when, file, status, method, exact, seconds }: RunRow): HTMLElement {
    const at = this.chosen.indexOf(id);
    const box = element('input', { type: 'checkbox', 'aria-label': `Compare ${file}, ${when}`, 'data-key': `box ${id}` });
    box.checked = at >= 0;
    box.addEventListener('change', () => this.choose(id, box.checked));
    const open = button('Open', () => vscode.postMessage({ type: 'open', id }));
    open.dataset.key = `open ${id}`;
    open.setAttribute('aria-label', `Open ${file}, ${when}`);
    const cells = [when, file, statusText[status], method, shareText(exact), secondsText(seconds)].map((text) => element('td', {}, text));
    return element('tr', at >= 0 ? { class: 'chosen' } : {}, element('td', {}, element('label', {}, box, names[at] ?? '')), ...cells, element('td', {}, open));
  }

  /** A third one takes the place of the first. */
  private choose(id: string, on: boolean): void {
    const others = this.chosen.filter((one) => one !== id);
    vscode.postMessage({ type: 'choose', ids: on ? [...others, id].slice(-2) : others });
  }

  private compare(chosen: readonly RunDetail[]): void {
    const [a, b] = chosen;
    this.comparison.hidden = a === undefined || b === undefined;
    if (a === undefined || b === undefined) return this.chart.clear();
    this.facts.replaceChildren(...factRows(a, b));
    this.curves.hidden = a.points.length + b.points.length === 0;
    this.chart.draw(a.points, b.points);
    this.points.replaceChildren(...pointRows('A', a), ...pointRows('B', b));
    this.sides.replaceChildren(side('A', a), side('B', b));
  }
}

function hintFor(rows: number, chosen: number): string {
  if (rows === 0) return 'No program has been repaired in this workspace yet. Open one with examples and run “GradLens: Repair Program”.';
  if (rows === 1) return 'The latest 20 runs are kept.';
  return chosen < 2 ? `Choose ${chosen === 0 ? 'two runs' : 'one more run'} to compare. The latest 20 are kept.` : 'A and B are compared below. The latest 20 runs are kept.';
}

const shareText = (share: number | null): string => (share === null ? '–' : `${Math.round(100 * share)} %`);
const secondsText = (seconds: number | null): string => (seconds === null ? '–' : `${seconds.toFixed(1)} s`);

function factRows(a: RunDetail, b: RunDetail): HTMLElement[] {
  const loss = ({ points }: RunDetail): string => points.findLast((point) => point.loss !== null)?.loss?.toFixed(3) ?? '–';
  const facts: [string, (run: RunDetail) => string][] = [
    ['Program', ({ file }) => file],
    ['Started', ({ when }) => when],
    ['Status', ({ status }) => statusText[status]],
    ['Method', ({ method, foundBy }) => (foundBy === '' || foundBy === method ? method : `${method}, found by ${foundBy}`)],
    ['Exact', ({ exact }) => shareText(exact)],
    ['Last loss', loss],
    ['Time', ({ seconds }) => secondsText(seconds)],
    ['Evaluations', ({ evaluations }) => evaluations?.toString() ?? '–'],
    ['Provider', ({ provider }) => provider || '–'],
    ['Patch', ({ summary }) => summary || 'none'],
  ];
  const head = element('tr', {}, element('th', { class: 'fact' }), ...names.map((name) => element('th', { scope: 'col', class: `run-${name}` }, name)));
  return [head, ...facts.map(([name, of]) => element('tr', {}, element('th', { scope: 'row', class: 'fact' }, name), element('td', {}, of(a)), element('td', {}, of(b))))];
}

function pointRows(name: string, { points }: RunDetail): HTMLElement[] {
  return points.slice(-200).map(({ millis, stage, loss, accuracy }) =>
    element('tr', {}, ...[name, `${millis} ms`, stage, loss?.toFixed(3) ?? '–', shareText(accuracy)].map((text) => element('td', {}, text))),
  );
}

function side(name: string, { file, message, suspects, diff }: RunDetail): HTMLElement {
  const list = suspects.map(({ line, label, score }) => element('li', {}, `line ${line}: `, element('code', {}, label), ` ${shareText(score)}`));
  const lines = diff.split('\n').filter((line) => !/^(=+|Index:.*)$/u.test(line));
  const kind = (line: string): string => (/^(\+\+\+|---)/u.test(line) ? 'file' : line.startsWith('+') ? 'added' : line.startsWith('-') ? 'removed' : 'same');
  return element(
    'section',
    {},
    element('h2', { class: `run-${name}` }, `${name}: ${file}`),
    element('p', {}, message),
    element('h3', {}, 'Suspects'),
    list.length === 0 ? element('p', { class: 'none' }, 'none') : element('ol', {}, ...list),
    element('h3', {}, 'Patch'),
    diff === '' ? element('p', { class: 'none' }, 'none') : element('pre', { tabindex: '0', 'aria-label': `Patch of run ${name}` }, ...lines.map((line) => element('span', { class: kind(line) }, `${line}\n`))),
  );
}

const root = document.getElementById('app');
if (root) {
  const page = new Page(root);
  window.addEventListener('message', ({ data }: MessageEvent<ToRunsPage>) => page.show(data.state));
  vscode.postMessage({ type: 'ready' });
}

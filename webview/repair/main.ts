// The repair panel's page: the trajectory, the lines under suspicion, one example before and after, the result.
import './style.css';
import { registerComponents } from '../components.ts';
import { element } from '../dom.ts';
import { TrajectoryChart } from './chart.ts';
import { statusText } from './status.ts';
import type { ActionMessage, ChartPoint, FromPanel, PanelState, SourceLine, ToPanel } from '../../src/shared/messages.ts';

declare function acquireVsCodeApi(): { postMessage(message: FromPanel): void };

const vscode = acquireVsCodeApi();
registerComponents();

class Page {
  private readonly heading = element('h1');
  private readonly file = element('span', { class: 'file' });
  private readonly message = element('p', { class: 'message', role: 'status', 'aria-live': 'polite' });
  private readonly actions = element('div', { class: 'actions' });
  private readonly chartBox = element('div', { class: 'chart', role: 'img', 'aria-label': 'Loss and share of exact examples over steps' });
  private readonly latest = element('p', { class: 'latest' });
  private readonly table = element('tbody');
  private readonly source = element('ol', { class: 'source' });
  private readonly sample = element('dl', { class: 'sample' });
  private readonly tried = element('ul', { class: 'tried' });
  private readonly sections: Record<'chart' | 'source' | 'sample' | 'tried', HTMLElement>;
  private readonly chart = new TrajectoryChart(this.chartBox);
  private points: ChartPoint[] = [];
  private lines: readonly SourceLine[] = [];

  constructor(root: HTMLElement) {
    const head = element('tr', {}, ...['Step', 'Stage', 'Loss', 'Exact', 'Time'].map((name) => element('th', { scope: 'col' }, name)));
    const details = element('details', {}, element('summary', {}, 'As a table'), element('table', {}, element('thead', {}, head), this.table));
    this.sections = {
      chart: element('section', {}, element('h2', {}, 'Trajectory'), this.latest, this.chartBox, details),
      source: element('section', {}, element('h2', {}, 'Where the gradient points'), this.source),
      sample: element('section', {}, element('h2', {}, 'One example'), this.sample),
      tried: element('section', {}, element('h2', {}, 'What was tried'), this.tried),
    };
    root.append(
      element('header', {}, this.heading, this.file, this.message, this.actions),
      ...Object.values(this.sections),
    );
  }

  receive(message: ToPanel): void {
    if (message.type === 'snapshot') {
      this.points = [...message.state.points];
      this.lines = message.state.lines;
      this.show(message.state);
      return;
    }
    this.points.push(...message.points);
    const moving = new Set(message.moving);
    this.lines = this.lines.map((line) => ({ ...line, moving: moving.has(line.number) }));
    this.show({ ...message.state, points: this.points, lines: this.lines });
  }

  private show(state: PanelState): void {
    document.body.dataset.status = state.status;
    document.body.dataset.points = String(this.points.length);
    this.heading.textContent = statusText[state.status];
    this.file.textContent = state.file;
    this.message.textContent = state.message;
    this.showActions(state);
    this.showChart();
    this.showSource(state);
    this.showSample(state);
    this.tried.replaceChildren(...state.tried.map((line) => element('li', {}, line)));
    this.sections.tried.hidden = state.tried.length === 0 || state.status === 'repaired';
  }

  private showActions({ status, canApply, canSave }: PanelState): void {
    const wanted: [ActionMessage['action'], string][] = [];
    if (status === 'running') wanted.push(['cancel', 'Cancel']);
    if (canApply) wanted.push(['apply', 'Apply repair'], ['diff', 'Show as diff']);
    if (canSave) wanted.push(['save', 'Save model…']);
    if (['cancelled', 'failed', 'partial', 'unrepairable'].includes(status)) wanted.push(['again', 'Try again']);
    const key = wanted.map(([action]) => action).join();
    if (this.actions.dataset.key === key) return;
    this.actions.dataset.key = key;
    this.actions.replaceChildren(
      ...wanted.map(([action, label], i) => {
        const button = document.createElement('vscode-button');
        button.setAttribute('appearance', i === 0 && (action === 'apply' || action === 'save') ? 'primary' : 'secondary');
        button.setAttribute('data-action', action);
        button.textContent = label;
        button.addEventListener('click', () => vscode.postMessage({ type: 'action', action }));
        return button;
      }),
    );
  }

  private showChart(): void {
    this.sections.chart.hidden = this.points.length === 0;
    if (this.points.length === 0) return;
    this.chart.draw(this.points);
    const last = this.points.at(-1);
    if (last) this.latest.textContent = `Exact: ${percent(last.accuracy)} · loss ${last.loss?.toFixed(3) ?? '–'} · ${(last.millis / 1000).toFixed(1)} s`;
    this.table.replaceChildren(
      ...this.points.slice(-200).map(({ step, stage, loss, accuracy, millis }) =>
        element('tr', {}, ...[String(step), stage, loss?.toFixed(3) ?? '–', percent(accuracy), `${millis} ms`].map((cell) => element('td', {}, cell))),
      ),
    );
  }

  private showSource({ lines, suspects }: PanelState): void {
    const shown = lines.filter(({ suspicion, moving, text }) => text.trim() !== '' && !text.trimStart().startsWith('#') && (suspicion > 0.005 || moving));
    this.sections.source.hidden = shown.length === 0;
    this.source.replaceChildren(
      ...shown.map(({ number, text, suspicion, moving }) => {
        const label = suspects.filter(({ line }) => line === number).map(({ label: op, score }) => `${op}: ${percent(score)}`).join('\n');
        const bar = element('span', { class: 'bar' }, element('span', { style: `width:${Math.round(100 * suspicion)}%` }));
        const row = element('li', { title: label, ...(moving ? { class: 'moving' } : {}) }, element('span', { class: 'number' }, String(number)), bar, element('span', { class: 'share' }, percent(suspicion)), element('code', {}, text.trim()));
        if (moving) row.append(element('span', { class: 'mark' }, 'changes'));
        return row;
      }),
    );
  }

  private showSample({ sample, status }: PanelState): void {
    this.sections.sample.hidden = sample === null;
    if (!sample) return;
    const rows: [string, string][] = [
      ['input', sample.input],
      ['should be', sample.target],
      ['before', sample.before],
      [status === 'running' ? 'best so far' : 'after', sample.now],
    ];
    this.sample.replaceChildren(
      ...rows.flatMap(([name, value]) => {
        const right = name === 'input' || name === 'should be' ? '' : value === sample.target ? ' ✓' : ' ✗';
        return [element('dt', {}, name), element('dd', {}, element('code', {}, value), right)];
      }),
    );
  }
}

const percent = (share: number): string => `${Math.round(100 * share)} %`;

const root = document.getElementById('app');
if (root) {
  const page = new Page(root);
  window.addEventListener('message', ({ data }: MessageEvent<ToPanel>) => page.receive(data));
  vscode.postMessage({ type: 'ready' });
}

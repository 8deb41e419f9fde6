// The transformer page: fields, the picture, the same as tables, export; arrow keys go from part to part, Enter to the source.
import './style.css';
import { registerComponents } from '../components.ts';
import { button, element, table } from '../dom.ts';
import { themePalette } from '../svg.ts';
import { count, directionsTitle, headTitle, layerTitle, lineText, percent, positionsOf, shapeTexts } from './describe.ts';
import { SettingsForm } from './form.ts';
import { picture } from './picture.ts';
import type { FromTransformerPage, ToTransformerPage, TransformerProblem, TransformerState } from '../../src/shared/transformerMessages.ts';
import type { PicturedDirections, TransformerPicture } from '../../src/shared/transformerPicture.ts';

declare function acquireVsCodeApi(): { postMessage(message: FromTransformerPage): void };

const vscode = acquireVsCodeApi();
registerComponents();

const exportWidth = 900;

class Page {
  private readonly heading = element('h1');
  private readonly caption = element('p', { class: 'caption', role: 'status' });
  private readonly form = new SettingsForm((settings) => vscode.postMessage({ type: 'run', settings }));
  private readonly problem = element('div', { class: 'problem', role: 'alert' });
  private readonly actions = element('div', { class: 'actions' });
  private readonly shape = element('dl', { class: 'shape' });
  private readonly result = element('section');
  private readonly box = element('div', { class: 'picture', role: 'group', 'aria-label': 'Transformer by layers; arrow keys go from part to part, Enter shows the source' });
  private readonly legend = element('p', { class: 'note' }, 'Rows are queries, columns keys; the area of a square is the share of attention. A click or Enter on a part shows its source.');
  private readonly details = element('p', { class: 'details', 'aria-live': 'polite' });
  private readonly tables = element('div');
  private readonly below = element('details', {}, element('summary', {}, 'As tables'), this.tables);
  private shown: TransformerPicture | null = null;
  private width = 0;

  constructor(root: HTMLElement) {
    root.append(element('header', {}, this.heading, this.caption), this.form.element, this.problem, this.actions, this.shape, this.result, this.legend, this.box, this.details, this.below);
    this.box.addEventListener('keydown', (event) => this.onKey(event));
    this.box.addEventListener('click', ({ target }) => target instanceof Element && showSource(target.closest('.op')));
    this.box.addEventListener('focusin', ({ target }) => {
      if (target instanceof SVGElement) this.details.textContent = target.getAttribute('aria-label');
    });
    // Colours are read when the picture is made, and heads wrap at the page's width.
    new MutationObserver(() => this.paint()).observe(document.body, { attributes: true, attributeFilter: ['class'] });
    new ResizeObserver(() => {
      if (Math.abs(this.box.clientWidth - this.width) > 40) this.paint();
    }).observe(this.box);
  }

  show({ program, settings, view, stale }: TransformerState): void {
    document.body.dataset.status = view.status;
    this.heading.textContent = program?.name || 'Transformer';
    this.caption.textContent = view.status === 'empty' ? view.message : captionOf(program?.file ?? '', view.status, stale);
    this.form.show(settings);
    this.showProblem(view.status === 'failed' ? view.problem : null);
    this.shown = view.status === 'shown' ? view.picture : null;
    this.showActions(view.status, stale);
    this.showFacts();
    this.paint();
  }

  private showProblem(problem: TransformerProblem | null): void {
    this.form.mark(problem);
    this.problem.hidden = problem === null;
    if (!problem) return;
    const { message, place } = problem;
    const link = place && button(`Show line ${place.line}`, () => vscode.postMessage({ type: 'source', start: place.start, end: place.end }));
    this.problem.replaceChildren(element('p', {}, message), ...(link ? [link] : []));
  }

  private showActions(status: TransformerState['view']['status'], stale: boolean): void {
    const actions = [
      ...(status === 'compiling' ? [button('Cancel', () => vscode.postMessage({ type: 'cancel' }))] : []),
      ...(stale && status !== 'compiling' ? [button('Compile again', () => vscode.postMessage({ type: 'run', settings: this.form.settings() }))] : []),
      ...(this.shown ? [button('Export ONNX model', () => vscode.postMessage({ type: 'exportModel' })), button('Export as SVG', () => this.export())] : []),
    ];
    this.actions.replaceChildren(...actions);
  }

  private showFacts(): void {
    const { shown } = this;
    for (const part of [this.shape, this.result, this.legend, this.below, this.details]) part.hidden = shown === null;
    this.details.textContent = '';
    this.shape.replaceChildren(...(shown ? shapeTexts(shown.shape).map(([name, text]) => element('div', {}, element('dt', {}, name), element('dd', {}, text))) : []));
    this.result.replaceChildren(...(shown ? [outputTable(shown), verdict(shown)] : []));
    this.tables.replaceChildren(...(shown ? tablesOf(shown) : []));
  }

  private paint(): void {
    this.box.hidden = this.shown === null;
    if (!this.shown) return this.box.replaceChildren();
    this.width = this.box.clientWidth;
    this.box.replaceChildren(picture(this.shown, themePalette(), this.width));
    this.ops().at(0)?.setAttribute('tabindex', '0');
  }

  private ops(): SVGElement[] {
    return [...this.box.querySelectorAll<SVGElement>('.op')];
  }

  private onKey(event: KeyboardEvent): void {
    const ops = this.ops();
    const at = ops.findIndex((op) => op === document.activeElement);
    if (event.key === 'Enter' && at >= 0) return showSource(ops[at] ?? null);
    const to = { ArrowDown: at + 1, ArrowRight: at + 1, ArrowUp: at - 1, ArrowLeft: at - 1, Home: 0, End: ops.length - 1 }[event.key];
    const target = to === undefined ? undefined : ops[to];
    if (at < 0 || !target) return;
    event.preventDefault();
    ops[at]?.setAttribute('tabindex', '-1');
    target.setAttribute('tabindex', '0');
    target.focus();
    target.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }

  private export(): void {
    if (!this.shown) return;
    const whole = picture(this.shown, themePalette(), exportWidth);
    vscode.postMessage({ type: 'exportSvg', svg: `<?xml version="1.0" encoding="UTF-8"?>\n${new XMLSerializer().serializeToString(whole)}\n` });
  }
}

function showSource(op: Element | null): void {
  if (!(op instanceof SVGElement) || op.dataset.start === undefined) return;
  vscode.postMessage({ type: 'source', start: Number(op.dataset.start), end: Number(op.dataset.end) });
}

function captionOf(file: string, status: TransformerState['view']['status'], stale: boolean): string {
  if (status === 'compiling') return `${file} · compiling …`;
  return stale ? `${file} · changed since it was compiled` : file;
}

function outputTable({ input, output, interpreted }: TransformerPicture): HTMLElement {
  const rows = [['Model', ...output], ...(interpreted.ok ? [['Interpreter', ...interpreted.output]] : [])];
  return table(['Input', ...input], rows);
}

function verdict({ output, interpreted }: TransformerPicture): HTMLElement {
  if (!interpreted.ok) return element('p', { class: 'note' }, `The interpreter refuses this input, so the model's output means nothing: ${interpreted.message}`);
  const wrong = output.filter((text, i) => text !== interpreted.output[i]).length;
  return element('p', { class: 'note' }, wrong === 0 ? 'The model gives what the interpreter gives.' : `The model differs from the interpreter at ${count(wrong, 'position')}.`);
}

function tablesOf(shown: TransformerPicture): HTMLElement[] {
  const positions = positionsOf(shown).map((text, i) => `${i}: ${text}`);
  const written = (title: string, all: readonly PicturedDirections[]): HTMLElement[] =>
    all.length === 0 ? [] : [element('h3', {}, title), table(['Directions', 'Line', ...positions], all.map((one) => [directionsTitle(one), one.place ? String(one.place.line) : '–', ...one.cells]))];
  return [
    element('h2', {}, 'Embedding'),
    ...written('What the embedding writes', shown.embedding),
    ...shown.layers.flatMap((layer, l) => [
      element('h2', {}, layerTitle(layer, l)),
      ...layer.heads.flatMap((head, h) => [
        element('h3', {}, `Head ${h + 1}: ${headTitle(head)} (${lineText(head)})`),
        table(['Query \\ key', ...positions], head.probabilities.map((row, q) => [positions[q] ?? '', ...row.map(percent)])),
      ]),
      ...written('What the heads write', layer.attended),
      ...written('What the MLP writes', layer.computed),
    ]),
  ];
}

const root = document.getElementById('app');
if (root) {
  const page = new Page(root);
  window.addEventListener('message', ({ data }: MessageEvent<ToTransformerPage>) => page.show(data.state));
  vscode.postMessage({ type: 'ready' });
}

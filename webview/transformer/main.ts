// The transformer page: fields, the picture, the same as tables, export; arrow keys go from part to part, Enter to the source.
import './style.css';
import { registerComponents } from '../components.ts';
import { button, element, table } from '../dom.ts';
import type { Paint } from '../picture/view.ts';
import { PictureView } from '../picture/view.ts';
import { count, directionsTitle, headTitle, layerTitle, lineText, percent, positionsOf, shapeTexts } from './describe.ts';
import { SettingsForm } from './form.ts';
import { picture } from './picture.ts';
import type { FromTransformerPage, ToTransformerPage, TransformerProblem, TransformerState } from '../../src/shared/transformerMessages.ts';
import type { PicturedDirections, TransformerPicture } from '../../src/shared/transformerPicture.ts';

declare function acquireVsCodeApi(): { postMessage(message: FromTransformerPage): void };

const vscode = acquireVsCodeApi();
registerComponents();

class Page {
  private readonly heading = element('h1');
  private readonly caption = element('p', { class: 'caption', role: 'status' });
  private readonly form = new SettingsForm((settings) => vscode.postMessage({ type: 'run', settings }));
  private readonly problem = element('div', { class: 'problem', role: 'alert' });
  private readonly actions = element('div', { class: 'actions' });
  private readonly shape = element('dl', { class: 'shape' });
  private readonly result = element('section');
  private readonly view = new PictureView('Transformer by layers; arrow keys go from part to part, Enter shows the source');
  private readonly legend = element('p', { class: 'note' }, 'Rows are queries, columns keys; the area of a square is the share of attention. A click or Enter on a part shows its source.');
  private shown: TransformerPicture | null = null;

  constructor(root: HTMLElement) {
    const { box, details, tables } = this.view;
    root.append(element('header', {}, this.heading, this.caption), this.form.element, this.problem, this.actions, this.shape, this.result, this.legend, box, details, tables);
    box.addEventListener('click', ({ target }) => showSource(target));
    box.addEventListener('keydown', ({ key, target }) => key === 'Enter' && showSource(target));
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
    this.view.show(this.shown && paintOf(this.shown), this.shown ? tablesOf(this.shown) : []);
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
    for (const part of [this.shape, this.result, this.legend]) part.hidden = shown === null;
    this.shape.replaceChildren(...(shown ? shapeTexts(shown.shape).map(([name, text]) => element('div', {}, element('dt', {}, name), element('dd', {}, text))) : []));
    this.result.replaceChildren(...(shown ? [outputTable(shown), verdict(shown)] : []));
  }

  private export(): void {
    if (!this.shown) return;
    vscode.postMessage({ type: 'exportSvg', svg: this.view.saved(paintOf(this.shown)) });
  }
}

const paintOf = (shown: TransformerPicture): Paint => (palette, width) => picture(shown, palette, width);

function showSource(target: EventTarget | null): void {
  const op = target instanceof Element ? target.closest<SVGElement>('.op') : null;
  if (op?.dataset.start === undefined) return;
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

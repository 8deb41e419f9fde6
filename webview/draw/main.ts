// The drawing page: the picture, the same as tables, export as SVG; arrow keys go from op to op.
import './style.css';
import { registerComponents } from '../components.ts';
import { button, element, table } from '../dom.ts';
import { describeOp, layersOf, selectionTexts } from './describe.ts';
import { picture } from './picture.ts';
import { themePalette } from '../svg.ts';
import type { Drawing } from '../../src/shared/drawing.ts';
import type { DrawState, FromDrawPage, ToDrawPage } from '../../src/shared/drawMessages.ts';

declare function acquireVsCodeApi(): { postMessage(message: FromDrawPage): void };

const vscode = acquireVsCodeApi();
registerComponents();

const exportWidth = 900;

class Page {
  private readonly heading = element('h1');
  private readonly caption = element('p', { class: 'caption' });
  private readonly actions = element('div', { class: 'actions' });
  private readonly box = element('div', { class: 'picture', role: 'group', 'aria-label': 'Computation by layers; arrow keys go from op to op' });
  private readonly details = element('p', { class: 'details', 'aria-live': 'polite' });
  private readonly tables = element('div');
  private readonly below = element('details', {}, element('summary', {}, 'As tables'), this.tables);
  private state: DrawState | null = null;
  private width = 0;

  constructor(root: HTMLElement) {
    root.append(element('header', {}, this.heading, this.caption, this.actions), this.box, this.details, this.below);
    this.box.addEventListener('keydown', (event) => this.onKey(event));
    this.box.addEventListener('focusin', ({ target }) => this.onFocus(target));
    // Colours are read when the picture is made, and matrices wrap at the page's width.
    new MutationObserver(() => this.paint()).observe(document.body, { attributes: true, attributeFilter: ['class'] });
    new ResizeObserver(() => {
      if (Math.abs(this.box.clientWidth - this.width) > 40) this.paint();
    }).observe(this.box);
  }

  show(state: DrawState): void {
    this.state = state;
    const { drawing, caption, hasSource } = state;
    document.body.dataset.state = drawing ? 'drawn' : 'empty';
    this.heading.textContent = drawing ? drawing.name : 'No drawing';
    this.caption.textContent = drawing ? captionOf(drawing, caption) : caption;
    this.below.hidden = drawing === null;
    this.actions.replaceChildren(...(drawing ? [button('Export as SVG', () => this.export(drawing)), ...(hasSource ? [button('Show source', () => vscode.postMessage({ type: 'source' }))] : [])] : []));
    this.details.textContent = '';
    this.tables.replaceChildren(...(drawing ? [sequenceTable(drawing), ...matrixTables(drawing)] : []));
    this.paint();
  }

  private paint(): void {
    const drawing = this.state?.drawing ?? null;
    this.box.hidden = drawing === null;
    if (!drawing) return this.box.replaceChildren();
    this.width = this.box.clientWidth;
    this.box.replaceChildren(picture(drawing, themePalette(), this.width));
    this.ops().at(0)?.setAttribute('tabindex', '0');
  }

  private ops(): SVGElement[] {
    return [...this.box.querySelectorAll<SVGElement>('.op')];
  }

  private onKey(event: KeyboardEvent): void {
    const ops = this.ops();
    const at = ops.findIndex((op) => op === document.activeElement);
    const to = { ArrowDown: at + 1, ArrowRight: at + 1, ArrowUp: at - 1, ArrowLeft: at - 1, Home: 0, End: ops.length - 1 }[event.key];
    const target = to === undefined ? undefined : ops[to];
    if (at < 0 || !target) return;
    event.preventDefault();
    ops[at]?.setAttribute('tabindex', '-1');
    target.setAttribute('tabindex', '0');
    target.focus();
    target.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }

  private onFocus(target: EventTarget | null): void {
    const drawing = this.state?.drawing;
    const id = target instanceof SVGElement ? Number(target.dataset.op) : Number.NaN;
    const op = drawing?.ops.find((one) => one.id === id);
    if (drawing && op) this.details.textContent = describeOp(op, drawing);
  }

  private export(drawing: Drawing): void {
    const whole = picture(drawing, themePalette(), exportWidth);
    vscode.postMessage({ type: 'export', svg: `<?xml version="1.0" encoding="UTF-8"?>\n${new XMLSerializer().serializeToString(whole)}\n` });
  }
}

function captionOf({ input, leftOut }: Drawing, caption: string): string {
  const left = leftOut > 0 ? ` · ${leftOut} earlier ops are left out` : '';
  return `${caption} · on ${input.join(' ')}${left}`;
}

function sequenceTable(drawing: Drawing): HTMLElement {
  const rows = layersOf(drawing).flatMap(([layer, ops]) =>
    ops.flatMap((op) => (op.kind === 'sequence' ? [[layer === 0 ? 'input' : String(layer), op.name, op.formula, ...op.values]] : [])),
  );
  return table(['Layer', 'S-op', 'Computed as', ...drawing.input.map((token, i) => `${i}: ${token}`)], rows);
}

function matrixTables(drawing: Drawing): HTMLElement[] {
  return drawing.ops.flatMap((op) => {
    if (op.kind !== 'matrix') return [];
    const rows = selectionTexts(op, drawing).map((text) => text.split(' → '));
    return [element('h2', {}, op.name === op.formula ? op.name : `${op.name} = ${op.formula}`), table(['Query', 'selects the keys'], rows)];
  });
}

const root = document.getElementById('app');
if (root) {
  const page = new Page(root);
  window.addEventListener('message', ({ data }: MessageEvent<ToDrawPage>) => page.show(data.state));
  vscode.postMessage({ type: 'ready' });
}

// The drawing page: the picture, the same as tables, export as SVG; arrow keys go from op to op.
import './style.css';
import { registerComponents } from '../components.ts';
import { button, element, table } from '../dom.ts';
import { layersOf, selectionTexts } from './describe.ts';
import { picture } from './picture.ts';
import type { Paint } from '../picture/view.ts';
import { PictureView } from '../picture/view.ts';
import type { Drawing } from '../../src/shared/drawing.ts';
import type { DrawState, FromDrawPage, ToDrawPage } from '../../src/shared/drawMessages.ts';

declare function acquireVsCodeApi(): { postMessage(message: FromDrawPage): void };

const vscode = acquireVsCodeApi();
registerComponents();

class Page {
  private readonly heading = element('h1');
  private readonly caption = element('p', { class: 'caption' });
  private readonly actions = element('div', { class: 'actions' });
  private readonly view = new PictureView('Computation by layers; arrow keys go from op to op');

  constructor(root: HTMLElement) {
    const { box, details, tables } = this.view;
    root.append(element('header', {}, this.heading, this.caption, this.actions), box, details, tables);
  }

  show({ drawing, caption, hasSource }: DrawState): void {
    document.body.dataset.state = drawing ? 'drawn' : 'empty';
    this.heading.textContent = drawing ? drawing.name : 'No drawing';
    this.caption.textContent = drawing ? captionOf(drawing, caption) : caption;
    this.actions.replaceChildren(...(drawing ? [button('Export as SVG', () => this.export(drawing)), ...(hasSource ? [button('Show source', () => vscode.postMessage({ type: 'source' }))] : [])] : []));
    if (drawing) this.view.show(paintOf(drawing), [sequenceTable(drawing), ...matrixTables(drawing)]);
    else this.view.show(null, []);
  }

  private export(drawing: Drawing): void {
    vscode.postMessage({ type: 'export', svg: this.view.saved(paintOf(drawing)) });
  }
}

const paintOf = (drawing: Drawing): Paint => (palette, width) => picture(drawing, palette, width);

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

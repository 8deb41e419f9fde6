// The attribution page: what pushes one answer over another, token by token and layer by layer, as a picture and as a table.
import './style.css';
import { registerComponents } from '../components.ts';
import { button, element, table } from '../dom.ts';
import { captionOf, csvOf, headingOf, isLarge, sumText, tableOf } from './describe.ts';
import { mostRows, picture, shownTokens } from './map.ts';
import { dataUriOf, pngOf } from '../picture/raster.ts';
import type { Paint } from '../picture/view.ts';
import { PictureView } from '../picture/view.ts';
import type { Attribution, AttributionAction, AttributionPageState, ExportFormat, FromAttributionPage, ToAttributionPage } from '../../src/shared/attributionMessages.ts';

declare function acquireVsCodeApi(): { postMessage(message: FromAttributionPage): void };

const vscode = acquireVsCodeApi();
registerComponents();

class Page {
  private readonly heading = element('h1');
  private readonly caption = element('p', { class: 'caption', role: 'status' });
  private readonly problem = element('p', { class: 'problem', role: 'alert' });
  private readonly progress = element('progress');
  private readonly actions = element('div', { class: 'actions' });
  private readonly sum = element('p');
  private readonly warning = element('p', { class: 'warning', role: 'status' });
  private readonly left = element('p', { class: 'caption' });
  private readonly view = new PictureView('Tokens by layers; arrow keys go from token to token');
  private offered = '';
  private known = '';

  constructor(root: HTMLElement) {
    const { box, details, tables } = this.view;
    root.append(element('header', {}, this.heading, this.caption, this.problem, this.progress, this.actions), this.sum, this.warning, this.left, box, details, tables);
    for (const event of ['focusin', 'click']) {
      box.addEventListener(event, ({ target }) => {
        const token = target instanceof Element ? target.closest<SVGElement>('[data-token]')?.dataset.token : undefined;
        if (token !== undefined) vscode.postMessage({ type: 'reveal', token: Number(token) });
      });
    }
  }

  show(state: AttributionPageState): void {
    document.body.dataset.status = state.status;
    this.heading.textContent = headingOf(state);
    this.caption.textContent = captionOf(state);
    this.problem.hidden = state.status !== 'failed';
    this.problem.textContent = state.status === 'failed' ? state.message : '';
    this.showProgress(state);
    this.showActions(state);
    const attribution = state.status === 'shown' ? state.attribution : null;
    for (const part of [this.sum, this.warning, this.left]) part.hidden = attribution === null;
    if (attribution) this.showAttribution(attribution);
    else this.hide();
  }

  private showProgress(state: AttributionPageState): void {
    this.progress.hidden = state.status !== 'running';
    if (state.status !== 'running') return;
    this.progress.setAttribute('aria-label', state.step);
    if (state.total > 0) [this.progress.max, this.progress.value] = [state.total, state.done];
    else this.progress.removeAttribute('value');
  }

  private showAttribution(attribution: Attribution): void {
    this.sum.textContent = sumText(attribution);
    this.warning.hidden = !isLarge(attribution);
    this.warning.textContent = attribution.warning ?? '';
    const count = shownTokens(attribution).length;
    this.left.hidden = count < mostRows;
    this.left.textContent = `The picture shows the ${count} strongest tokens; the table has them all.`;
    // A snapshot of the same attribution leaves the focus where it is.
    const key = JSON.stringify(attribution);
    if (key === this.known) return;
    this.known = key;
    const { head, rows } = tableOf(attribution);
    this.view.show(paintOf(attribution), [table(head, rows)]);
  }

  private hide(): void {
    this.known = '';
    this.view.show(null, []);
  }

  private showActions(state: AttributionPageState): void {
    const attribution = state.status === 'shown' ? state.attribution : null;
    const key = `${state.status} ${attribution === null ? '' : JSON.stringify(attribution)}`;
    if (key === this.offered) return;
    this.offered = key;
    const exports = attribution ? (['svg', 'png', 'csv'] as const).map((format) => button(`Export ${format.toUpperCase()}`, () => void this.export(format, attribution))) : [];
    this.actions.replaceChildren(...actionsOf(state).map(([action, label]) => acting(action, label)), ...exports);
  }

  private async export(format: ExportFormat, attribution: Attribution): Promise<void> {
    const content = format === 'csv' ? csvOf(attribution) : this.view.saved(paintOf(attribution));
    vscode.postMessage({ type: 'export', format, content: format === 'png' ? await pngOf(content) : content });
  }
}

function acting(action: AttributionAction, label: string): HTMLElement {
  const node = button(label, () => vscode.postMessage({ type: 'action', action }));
  node.dataset.action = action;
  return node;
}

function actionsOf(state: AttributionPageState): readonly (readonly [AttributionAction, string])[] {
  switch (state.status) {
    case 'empty': return [];
    case 'running': return [['cancel', 'Cancel']];
    case 'failed': return [['again', 'Try again'], ['answers', 'Other answers …']];
    case 'shown': return [['source', 'Show text'], ['again', 'Run again'], ['answers', 'Other answers …']];
  }
}

function paintOf(attribution: Attribution): Paint {
  const pixels = attribution.image ? dataUriOf(attribution.image) : null;
  return (palette) => picture(attribution, pixels, palette, { positive: palette.accent, negative: palette.contrary });
}

const root = document.getElementById('app');
if (root) {
  const page = new Page(root);
  window.addEventListener('message', ({ data }: MessageEvent<ToAttributionPage>) => page.show(data.state));
  vscode.postMessage({ type: 'ready' });
}

// A picture on its page: painted anew where theme or width change, walked with the arrow keys, told in words and tables, saved as SVG.
import { element } from '../dom.ts';
import type { Palette } from '../svg.ts';
import { themePalette } from '../svg.ts';

const savedWidth = 900;

/** What can be painted, in a width. */
export type Paint = (palette: Palette, width: number) => SVGElement;

export class PictureView {
  readonly box: HTMLElement;
  /** What the part in focus shows. */
  readonly details = element('p', { class: 'details', 'aria-live': 'polite' });
  private readonly content = element('div');
  readonly tables = element('details', {}, element('summary', {}, 'As tables'), this.content);
  private paint: Paint | null = null;
  private width = 0;

  constructor(label: string) {
    this.box = element('div', { class: 'picture', role: 'group', 'aria-label': label });
    this.box.addEventListener('keydown', (event) => this.onKey(event));
    this.box.addEventListener('focusin', ({ target }) => {
      if (target instanceof SVGElement) this.details.textContent = target.getAttribute('aria-label');
    });
    // Colours are read when the picture is made, and blocks wrap at the page's width.
    new MutationObserver(() => this.repaint()).observe(document.body, { attributes: true, attributeFilter: ['class'] });
    new ResizeObserver(() => {
      if (Math.abs(this.box.clientWidth - this.width) > 40) this.repaint();
    }).observe(this.box);
  }

  /** @param paint null: there is nothing to show */
  show(paint: Paint | null, tables: readonly HTMLElement[]): void {
    this.paint = paint;
    for (const shown of [this.box, this.details, this.tables]) shown.hidden = paint === null;
    this.details.textContent = '';
    this.content.replaceChildren(...tables);
    this.repaint();
  }

  /** The picture as a document of its own, in the theme's colours. */
  saved(paint: Paint): string {
    return `<?xml version="1.0" encoding="UTF-8"?>\n${new XMLSerializer().serializeToString(paint(themePalette(), savedWidth))}\n`;
  }

  private repaint(): void {
    if (!this.paint) return this.box.replaceChildren();
    this.width = this.box.clientWidth;
    this.box.replaceChildren(this.paint(themePalette(), this.width));
    this.parts().at(0)?.setAttribute('tabindex', '0');
  }

  private parts(): SVGElement[] {
    return [...this.box.querySelectorAll<SVGElement>('.op')];
  }

  private onKey(event: KeyboardEvent): void {
    const parts = this.parts();
    const at = parts.findIndex((part) => part === document.activeElement);
    const to = { ArrowDown: at + 1, ArrowRight: at + 1, ArrowUp: at - 1, ArrowLeft: at - 1, Home: 0, End: parts.length - 1 }[event.key];
    const target = to === undefined ? undefined : parts[to];
    if (at < 0 || !target) return;
    event.preventDefault();
    parts[at]?.setAttribute('tabindex', '-1');
    target.setAttribute('tabindex', '0');
    target.focus();
    target.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }
}

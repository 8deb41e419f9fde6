// The table of a model's sites, with a filter and a way to save it.
import { button, element } from '../dom.ts';
import type { SiteRow } from '../../src/shared/modelMessages.ts';

const columns = ['Site', 'Shape', 'Type', 'Operator', 'Node'] as const;

export class SiteTable {
  readonly element = element('div');
  private readonly filter = element('input', { type: 'search', placeholder: 'layers.0, resid, MatMul …', 'aria-label': 'Filter the sites', spellcheck: 'false' });
  private readonly count = element('span', { class: 'note', role: 'status' });
  private readonly rows = element('tbody');
  private readonly table: HTMLElement;
  private readonly bar: HTMLElement;
  private readonly missing = element('ul', { class: 'missing' });
  private sites: readonly SiteRow[] = [];

  constructor(onExport: (csv: string) => void) {
    const head = element('tr', {}, ...columns.map((name) => element('th', { scope: 'col' }, name)));
    this.table = element('div', { class: 'scroll sites', tabindex: '0', 'aria-label': 'Sites' }, element('table', {}, element('thead', {}, head), this.rows));
    this.bar = element('div', { class: 'bar' }, this.filter, this.count, button('Export as CSV', () => onExport(csvOf(this.chosen()))));
    this.element.append(this.bar, this.table, this.missing);
    this.filter.addEventListener('input', () => this.paint());
  }

  show(sites: readonly SiteRow[], missing: readonly string[]): void {
    this.missing.replaceChildren(...missing.map((reason) => element('li', {}, reason)));
    this.bar.hidden = this.table.hidden = sites.length === 0;
    if (sites === this.sites || JSON.stringify(sites) === JSON.stringify(this.sites)) return;
    this.sites = sites;
    this.paint();
  }

  /** Rows that hold every word of the filter. */
  private chosen(): readonly SiteRow[] {
    const words = this.filter.value.toLowerCase().split(/\s+/u).filter((word) => word !== '');
    return this.sites.filter((site) => {
      const text = cellsOf(site).join(' ').toLowerCase();
      return words.every((word) => text.includes(word));
    });
  }

  private paint(): void {
    const chosen = this.chosen();
    this.count.textContent = chosen.length === this.sites.length ? `${chosen.length} sites` : `${chosen.length} of ${this.sites.length} sites`;
    this.rows.replaceChildren(...chosen.map((site) => element('tr', {}, ...cellsOf(site).map((text, i) => element('td', i === 0 ? { class: 'site' } : {}, text)))));
  }
}

const cellsOf = ({ name, shape, type, op, node }: SiteRow): readonly string[] => [name, shape, type, op, node];

function csvOf(sites: readonly SiteRow[]): string {
  const line = (cells: readonly string[]): string => `${cells.map((cell) => (/[",\n]/u.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join(',')}\n`;
  return [columns.map((name) => name.toLowerCase()), ...sites.map(cellsOf)].map(line).join('');
}

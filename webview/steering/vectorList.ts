// The vectors: each with its switch, its strength, its layers, and where it came from. Rows stay as they are while they are used.
import { button, element } from '../dom.ts';
import type { ChangeVector, VectorRow, VectorSettings } from '../../src/shared/steeringMessages.ts';

type Change = (id: string, change: Partial<VectorSettings>) => void;

export class VectorList {
  readonly element = element('ul', { class: 'vectors', 'aria-label': 'Steering vectors' });
  private readonly rows = new Map<string, Row>();

  constructor(
    private readonly onChange: Change,
    private readonly onDelete: (id: string) => void,
  ) {}

  show(vectors: readonly VectorRow[]): void {
    for (const [id, row] of this.rows) {
      if (vectors.some((vector) => vector.id === id)) continue;
      row.element.remove();
      this.rows.delete(id);
    }
    vectors.forEach((vector, i) => {
      const row = this.rows.get(vector.id) ?? new Row(vector.id, oncePerFrame(this.onChange), this.onDelete);
      this.rows.set(vector.id, row);
      row.show(vector);
      if (this.element.children[i] !== row.element) this.element.insertBefore(row.element, this.element.children[i] ?? null);
    });
    this.element.hidden = vectors.length === 0;
  }
}

class Row {
  readonly element = element('li');
  private readonly on = element('input', { type: 'checkbox' });
  private readonly name = element('span', { class: 'name' });
  private readonly origin = element('p', { class: 'note' });
  private readonly problem = element('p', { class: 'problem' });
  private readonly warning = element('p', { class: 'note' });
  private readonly slider = element('input', { type: 'range', step: '0.01' });
  private readonly strength = element('output');
  private readonly from = element('select', { 'aria-label': 'First layer' });
  private readonly to = element('select', { 'aria-label': 'Last layer' });
  private readonly remove: HTMLElement;
  private layers: readonly number[] = [];

  constructor(id: string, onChange: Change, onDelete: (id: string) => void) {
    this.remove = button('Delete', () => onDelete(id));
    this.on.addEventListener('change', () => onChange(id, { on: this.on.checked }));
    this.slider.addEventListener('input', () => {
      this.tellStrength();
      onChange(id, { strength: Number(this.slider.value) });
    });
    this.from.addEventListener('change', () => this.changeLayers(id, onChange, Number(this.from.value), Math.max(Number(this.from.value), Number(this.to.value))));
    this.to.addEventListener('change', () => this.changeLayers(id, onChange, Math.min(Number(this.from.value), Number(this.to.value)), Number(this.to.value)));
    this.element.append(
      element('div', { class: 'head' }, element('label', {}, this.on, this.name), this.remove),
      this.origin,
      this.problem,
      this.warning,
      element('label', { class: 'strength' }, element('span', {}, 'Strength'), this.slider, this.strength),
      element('div', { class: 'layers' }, element('span', {}, 'Layers'), this.from, element('span', {}, 'to'), this.to),
    );
    this.element.dataset.vector = id;
  }

  show({ name, method, origin, problem, warning, layers, on, most, strength, from, to }: VectorRow): void {
    this.name.textContent = name;
    this.origin.textContent = `${method} · ${origin}`;
    this.problem.textContent = problem ?? '';
    this.problem.hidden = problem === null;
    this.warning.textContent = `⚠ ${warning}`;
    this.warning.hidden = warning === '';
    this.remove.setAttribute('aria-label', `Delete ${name}`);
    this.slider.setAttribute('aria-label', `Strength of ${name}`);
    this.element.classList.toggle('off', !on || problem !== null);
    for (const control of [this.on, this.slider, this.from, this.to]) control.disabled = problem !== null;
    this.on.checked = on;
    if (String(layers) !== String(this.layers)) this.offer(layers);
    this.from.value = String(from);
    this.to.value = String(to);
    [this.slider.min, this.slider.max] = [String(-most), String(most)];
    // What a hand is on is not moved under it.
    if (document.activeElement !== this.slider) this.slider.value = String(strength);
    this.tellStrength();
  }

  private offer(layers: readonly number[]): void {
    this.layers = layers;
    for (const select of [this.from, this.to]) select.replaceChildren(...layers.map((layer) => element('option', { value: String(layer) }, String(layer))));
  }

  private changeLayers(id: string, onChange: Change, from: number, to: number): void {
    this.from.value = String(from);
    this.to.value = String(to);
    onChange(id, { from, to });
  }

  private tellStrength(): void {
    const value = Number(this.slider.value);
    this.strength.textContent = `${value < 0 ? '−' : ''}${Math.abs(value).toFixed(2)}`;
    this.slider.setAttribute('aria-valuetext', `${this.strength.textContent} of the residual stream’s mean norm`);
  }
}

/** The last of the changes that come within one frame. */
function oncePerFrame(send: Change): Change {
  let waiting: ChangeVector['change'] | null = null;
  return (id, change) => {
    if (waiting === null) {
      requestAnimationFrame(() => {
        const last = waiting;
        waiting = null;
        if (last) send(id, last);
      });
    }
    waiting = { ...waiting, ...change };
  };
}

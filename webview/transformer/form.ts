// The fields of the transformer page: what is compiled for, and what is run.
import { button, element } from '../dom.ts';
import type { TransformerProblem, TransformerSettings } from '../../src/shared/transformerMessages.ts';

export class SettingsForm {
  readonly element: HTMLFormElement;
  private readonly input = element('input', { type: 'text', id: 'input', spellcheck: 'false', autocomplete: 'off', title: 'Tokens: abc, "abc" or [3, 1, 2]' });
  private readonly vocabulary = element('input', { type: 'text', id: 'vocabulary', spellcheck: 'false', autocomplete: 'off', title: 'The tokens that an input may hold: abc, "abc" or [1, 2, 3]' });
  private readonly maxLength = element('input', { type: 'number', id: 'maxLength', min: '1', max: '64', step: '1' });
  private readonly causal = element('input', { type: 'checkbox', id: 'causal' });
  private shown = '';

  constructor(onRun: (settings: TransformerSettings) => void) {
    const run = button('Run', () => this.element.requestSubmit());
    run.setAttribute('appearance', 'primary');
    this.element = element(
      'form',
      {},
      field('Input', this.input, 'wide'),
      field('Vocabulary', this.vocabulary, 'wide'),
      field('Longest input', this.maxLength, 'narrow'),
      element('label', { class: 'check' }, this.causal, 'Hide later positions (causal)'),
      run,
      // Without a submit button of its own, Enter in a field would not submit.
      element('input', { type: 'submit', hidden: '', value: 'Run' }),
    );
    this.element.noValidate = true;
    this.element.addEventListener('submit', (event) => {
      event.preventDefault();
      onRun(this.settings());
    });
  }

  /** What the user has typed since stays, unless other settings come. */
  show(settings: TransformerSettings | null): void {
    this.element.hidden = settings === null;
    const key = JSON.stringify(settings);
    if (settings === null || key === this.shown) return;
    this.shown = key;
    this.input.value = settings.input;
    this.vocabulary.value = settings.vocabulary;
    this.maxLength.value = String(settings.maxLength);
    this.causal.checked = settings.causal;
  }

  /** Marks the field that a problem is about. */
  mark(problem: TransformerProblem | null): void {
    for (const box of [this.input, this.vocabulary, this.maxLength]) {
      if (box.id === problem?.field) box.setAttribute('aria-invalid', 'true');
      else box.removeAttribute('aria-invalid');
    }
  }

  settings(): TransformerSettings {
    return { input: this.input.value, vocabulary: this.vocabulary.value, maxLength: Number(this.maxLength.value), causal: this.causal.checked };
  }
}

function field(name: string, box: HTMLInputElement, width: 'wide' | 'narrow'): HTMLElement {
  return element('div', { class: `field ${width}` }, element('label', { for: box.id }, name), box);
}

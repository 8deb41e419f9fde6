// The two answers side by side, where they part, and how far the steering moves the model.
import { element, table } from '../dom.ts';
import { comparisonText, partsOf } from './describe.ts';
import type { Answers } from '../../src/shared/steeringMessages.ts';

export class AnswersView {
  readonly element = element('div', { class: 'answers' });
  private readonly unsteered = element('pre', { tabindex: '0', 'aria-label': 'Unsteered answer' });
  private readonly steered = element('pre', { tabindex: '0', 'aria-label': 'Steered answer' });
  private readonly problem = element('p', { class: 'problem', role: 'alert' });
  private readonly comparison = element('p', { class: 'comparison', role: 'status' });
  private readonly drift = element('details', {});

  constructor() {
    const column = (title: string, text: HTMLElement): HTMLElement => element('section', {}, element('h3', {}, title), text);
    this.element.append(this.problem, element('div', { class: 'columns' }, column('Unsteered', this.unsteered), column('Steered', this.steered)), this.comparison, this.drift);
  }

  show(answers: Answers): void {
    document.body.dataset.answers = answers.status;
    const { status, message, unsteered, steered, drift } = answers;
    this.problem.hidden = status !== 'failed';
    this.problem.textContent = message;
    this.unsteered.textContent = unsteered;
    const { same, own } = partsOf(unsteered, steered);
    this.steered.replaceChildren(same, ...(own === '' ? [] : [element('mark', {}, own)]));
    this.comparison.textContent = comparisonText(answers);
    this.drift.hidden = drift.length === 0;
    if (drift.length > 0) this.drift.replaceChildren(element('summary', {}, 'Norm drift by layer'), table(['Layer', 'Drift'], drift.map(({ layer, drift: own }) => [String(layer), percent(own)])));
  }
}

const percent = (share: number): string => `${share < 0 ? '−' : '+'}${Math.abs(100 * share).toFixed(1)} %`;

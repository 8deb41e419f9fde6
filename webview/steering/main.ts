// The Steering view: the model in use, the list of vectors with their sliders, and the playground.
import './style.css';
import { registerComponents } from '../components.ts';
import { button, element } from '../dom.ts';
import { AnswersView } from './answers.ts';
import { VectorList } from './vectorList.ts';
import type { Answers, FromSteeringView, Making, SteeringAction, SteeringModel, SteeringState, ToSteeringView } from '../../src/shared/steeringMessages.ts';

declare function acquireVsCodeApi(): { postMessage(message: FromSteeringView): void };

const vscode = acquireVsCodeApi();
registerComponents();

const act = (action: SteeringAction): void => vscode.postMessage({ type: 'action', action });

function actionButton(label: string, action: SteeringAction, appearance = 'secondary'): HTMLElement {
  const node = button(label, () => act(action));
  node.setAttribute('appearance', appearance);
  node.dataset.action = action;
  return node;
}

class Page {
  private readonly model = element('p', { class: 'model', role: 'status' });
  private readonly content = element('div');
  private readonly list = new VectorList((id, change) => vscode.postMessage({ type: 'change', id, change }), (id) => vscode.postMessage({ type: 'delete', id }));
  private readonly noVectors = element('p', { class: 'note' }, 'No vectors yet. Make one from pairs of answers, one to steer towards and one to steer away from, or import a file.');
  private readonly problems = element('ul', { class: 'problems' });
  private readonly making = element('div', { class: 'making', role: 'status' });
  private readonly prompt = element('textarea', { rows: '4', 'aria-label': 'Prompt', spellcheck: 'false', placeholder: 'A prompt …' });
  private readonly run = actionButton('Run', 'run', 'primary');
  private readonly stop = actionButton('Stop', 'stop');
  private readonly answers = new AnswersView();

  constructor(root: HTMLElement) {
    const section = (title: string, ...children: readonly Node[]): HTMLElement => element('section', {}, element('h2', {}, title), ...children);
    this.content.append(
      section('Vectors', this.list.element, this.noVectors, this.problems, this.making, element('div', { class: 'actions' }, actionButton('Make from contrast pairs …', 'make'), actionButton('Import …', 'import'))),
      section('Playground', this.prompt, element('div', { class: 'actions' }, this.run, this.stop, element('span', { class: 'note' }, 'Ctrl+Enter runs')), this.answers.element),
    );
    root.append(this.model, element('div', { class: 'actions' }, actionButton('Select model', 'select'), actionButton('What it supports', 'about')), this.content);
    this.prompt.addEventListener('input', () => vscode.postMessage({ type: 'prompt', text: this.prompt.value }));
    this.prompt.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      act('run');
    });
  }

  show(state: SteeringState): void {
    const { trusted, model, vectors, problems, making, prompt, answers } = state;
    document.body.dataset.state = !trusted ? 'untrusted' : model ? 'ready' : 'noModel';
    document.body.dataset.vectors = String(vectors.length);
    this.model.replaceChildren(...modelParts(trusted, model));
    this.content.hidden = !trusted || !model;
    this.list.show(vectors);
    this.noVectors.hidden = vectors.length > 0 || making !== null;
    this.problems.replaceChildren(...problems.map((problem) => element('li', { class: 'problem' }, problem)));
    this.showMaking(making);
    if (document.activeElement !== this.prompt) this.prompt.value = prompt;
    this.showAnswers(answers);
  }

  showAnswers(answers: Answers): void {
    const running = answers.status === 'opening' || answers.status === 'writing';
    this.stop.toggleAttribute('disabled', !running);
    this.answers.show(answers);
  }

  private showMaking(making: Making | null): void {
    this.making.hidden = making === null;
    if (!making) return this.making.replaceChildren();
    const known = making.total > 0 ? { value: String(making.done), max: String(making.total) } : {};
    const bar = element('progress', { ...known, 'aria-label': making.label });
    const old = this.making.querySelector('[data-action="cancelMaking"]');
    this.making.replaceChildren(element('span', {}, making.total > 0 ? `${making.label}: ${making.done} of ${making.total}` : `${making.label} …`), bar, old ?? actionButton('Cancel', 'cancelMaking'));
  }
}

function modelParts(trusted: boolean, model: SteeringModel | null): (Node | string)[] {
  if (!trusted) return ['Language models run native code, so they need a trusted workspace.'];
  if (!model) return ['No language model is chosen. A small one comes with GradLens and works offline.'];
  const { name, provider, why, activity } = model;
  return [element('strong', {}, name), ` · ${provider === '' ? 'provider is found out at first use' : provider} · ${activity}`, ...(why === '' ? [] : [element('span', { class: 'note why' }, why)])];
}

const root = document.getElementById('app');
if (root) {
  const page = new Page(root);
  window.addEventListener('message', ({ data }: MessageEvent<ToSteeringView>) => (data.type === 'answers' ? page.showAnswers(data.answers) : page.show(data.state)));
  vscode.postMessage({ type: 'ready' });
}

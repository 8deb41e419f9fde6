// The page about one language model: what it is, what it can do and where, and the table of its sites.
import './style.css';
import { registerComponents } from '../components.ts';
import { button, element } from '../dom.ts';
import { abilityRows, differenceText, factRows, memoryText } from './describe.ts';
import { SiteTable } from './sites.ts';
import type { FromModelPage, ModelOrigin, ModelPageAction, ModelPageState, ProviderView, ToModelPage } from '../../src/shared/modelMessages.ts';
import { sizeText } from '../../src/shared/sizeText.ts';

declare function acquireVsCodeApi(): { postMessage(message: FromModelPage): void };

const vscode = acquireVsCodeApi();
registerComponents();

type Shown = Extract<ModelPageState, { status: 'shown' }>;

class Page {
  private readonly heading = element('h1');
  private readonly caption = element('p', { class: 'caption', role: 'status' });
  private readonly problem = element('p', { class: 'problem', role: 'alert' });
  private readonly actions = element('div', { class: 'actions' });
  private readonly content = element('div');
  private readonly facts = element('dl', { class: 'facts' });
  private readonly abilities = element('dl', { class: 'abilities' });
  private readonly provider = element('div');
  private readonly memory = element('p');
  private readonly meter = element('div', { class: 'meter', role: 'img' });
  private readonly files = element('div');
  private readonly sites = new SiteTable((csv) => vscode.postMessage({ type: 'export', csv }));

  constructor(root: HTMLElement) {
    const section = (title: string, ...children: readonly Node[]): HTMLElement => element('section', {}, element('h2', {}, title), ...children);
    this.content.append(
      this.facts,
      section('What it can do here', this.abilities),
      section('Memory', this.memory, this.meter),
      section('Where it runs', this.provider),
      section('Sites: where it can be read, written and differentiated', this.sites.element),
      section('Files', this.files),
    );
    root.append(element('header', {}, this.heading, this.caption, this.problem, this.actions), this.content);
  }

  show(state: ModelPageState): void {
    document.body.dataset.status = state.status;
    this.heading.textContent = state.status === 'shown' ? state.facts.name : state.status === 'empty' ? 'No language model' : nameOf(state.path);
    this.caption.textContent = captionOf(state);
    this.problem.hidden = state.status !== 'failed';
    this.problem.textContent = state.status === 'failed' ? state.message : '';
    this.content.hidden = state.status !== 'shown';
    this.showActions(state);
    if (state.status === 'shown') this.showModel(state);
  }

  private showActions(state: ModelPageState): void {
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.action : undefined;
    this.actions.replaceChildren(...actionsOf(state).map(([action, label, primary]) => {
      const node = button(label, () => vscode.postMessage({ type: 'action', action }));
      node.dataset.action = action;
      if (primary) node.setAttribute('appearance', 'primary');
      return node;
    }), ...(state.status === 'shown' && state.facts.variants.length > 1 ? [variantChoice(state)] : []));
    if (focused) this.actions.querySelector<HTMLElement>(`[data-action="${CSS.escape(focused)}"]`)?.focus();
  }

  private showModel(state: Shown): void {
    const { facts, provider } = state;
    this.facts.replaceChildren(...factRows(facts).map(([name, value]) => element('div', {}, element('dt', {}, name), element('dd', {}, value))));
    this.abilities.replaceChildren(...abilityRows(facts).flatMap(([name, { works, why }]) => [element('dt', { class: works ? 'yes' : 'no' }, element('span', { class: 'answer' }, works ? '✓ yes' : '✗ no'), name), element('dd', {}, why)]));
    this.memory.textContent = memoryText(facts);
    this.showMeter(state);
    this.provider.replaceChildren(...providerParts(provider));
    this.sites.show(facts.sites, facts.missing);
    this.files.replaceChildren(filesTable(facts.files));
  }

  private showMeter({ facts }: Shown): void {
    const { weights, cache, budget } = facts.memory;
    const share = (bytes: number): number => Math.min(100, (100 * bytes) / budget);
    const bar = (name: string, bytes: number): HTMLElement => element('span', { class: name, style: `width: ${Math.max(0.4, share(bytes)).toFixed(2)}%` });
    this.meter.replaceChildren(bar('weights', weights), ...(cache === null ? [] : [bar('cache', cache)]));
    this.meter.setAttribute('aria-label', `${sizeText(weights + (cache ?? 0))} of ${sizeText(budget)}`);
  }
}

const nameOf = (path: string): string => path.split(/[\\/]/u).at(-1) ?? path;

function captionOf(state: ModelPageState): string {
  switch (state.status) {
    case 'empty':
      return 'Select one: a small model comes with GradLens and works offline, others are downloaded from the Hub or opened from a folder of yours.';
    case 'loading':
      return `Reading ${state.path} …`;
    case 'failed':
      return 'This folder cannot be used as a language model.';
    case 'shown':
      return [originText(state.origin), state.inUse ? `in use in this workspace, ${state.activity}` : 'not in use', state.facts.path].join(' · ');
  }
}

function originText(origin: ModelOrigin): string {
  switch (origin) {
    case 'shipped': return 'Demonstration model of GradLens';
    case 'downloaded': return 'Downloaded';
    case 'opened': return 'Your folder';
  }
}

function actionsOf(state: ModelPageState): readonly (readonly [ModelPageAction, string, boolean])[] {
  const remove = (origin: ModelOrigin): (readonly [ModelPageAction, string, boolean])[] => (origin === 'downloaded' ? [['delete', 'Delete …', false]] : []);
  switch (state.status) {
    case 'empty':
      return [['select', 'Select a model', true], ['download', 'Download from the Hub', false]];
    case 'loading':
      return [];
    case 'failed':
      return [['retry', 'Try again', true], ['select', 'Select another', false], ['open', 'Open folder', false], ...remove(state.origin)];
    case 'shown':
      return [...(state.inUse ? [] : [['use', 'Use this model', true] as const]), ['select', 'Select another', false], ['open', 'Open folder', false], ...remove(state.origin)];
  }
}

function variantChoice({ facts }: Shown): HTMLElement {
  const options = facts.variants.map(({ name, bytes }) => {
    const option = element('option', { value: name }, `${name}, ${sizeText(bytes)}`);
    option.selected = name === facts.variant;
    return option;
  });
  const select = element('select', { 'data-action': 'variant' }, ...options);
  select.addEventListener('change', () => vscode.postMessage({ type: 'variant', variant: select.value }));
  return element('label', { class: 'variant' }, 'Variant', select);
}

function providerParts(provider: ProviderView | null): HTMLElement[] {
  if (!provider) return [element('p', { class: 'note' }, 'Checking which execution providers run here …')];
  const sentence = element('p', {}, element('strong', {}, provider.provider), ` · ${provider.why}`);
  if (provider.rows.length === 0) return [sentence];
  const head = element('tr', {}, ...['Provider', 'Runs', 'Self-check takes', 'Difference from CPU', 'Why'].map((name) => element('th', { scope: 'col' }, name)));
  const rows = provider.rows.map(({ provider: name, works, millis, difference, reason }) => {
    const cells = [name, works ? 'yes' : 'no', millis === null ? '–' : `${millis.toFixed(2)} ms`, differenceText(difference)];
    return element('tr', name === provider.provider ? { class: 'chosen' } : {}, ...cells.map((text) => element('td', {}, text)), element('td', { class: 'wrap' }, reason));
  });
  return [sentence, element('div', { class: 'scroll' }, element('table', { class: 'providers' }, element('thead', {}, head), element('tbody', {}, ...rows)))];
}

function filesTable(files: Shown['facts']['files']): HTMLElement {
  const rows = files.map(({ name, bytes }) => element('tr', {}, element('td', {}, name), element('td', { class: 'number' }, sizeText(bytes))));
  const head = element('tr', {}, element('th', { scope: 'col' }, 'File'), element('th', { scope: 'col', class: 'number' }, 'Size'));
  return element('div', { class: 'scroll' }, element('table', {}, element('thead', {}, head), element('tbody', {}, ...rows)));
}

const root = document.getElementById('app');
if (root) {
  const page = new Page(root);
  window.addEventListener('message', ({ data }: MessageEvent<ToModelPage>) => page.show(data.state));
  vscode.postMessage({ type: 'ready' });
}

// Select language model: what comes with the extension, what was downloaded or opened, and the ways to more.
import * as vscode from 'vscode';
import { isAllowed } from './languageModels.ts';
import type { LanguageModels } from './languageModels.ts';
import type { ListedModel, ModelAt } from '../../lm/workerCalls.ts';
import { commands } from '../../shared/contributions.ts';
import type { ModelOrigin, SizedFile } from '../../shared/modelMessages.ts';
import { sizeText } from '../../shared/sizeText.ts';

type Chosen = { readonly kind: 'model'; readonly at: ModelAt } | { readonly kind: 'broken'; readonly at: ModelAt } | { readonly kind: 'open' | 'download' };

interface Item extends vscode.QuickPickItem {
  readonly chosen?: Chosen;
}

const about: vscode.QuickInputButton = { iconPath: new vscode.ThemeIcon('info'), tooltip: vscode.l10n.t('What this model supports') };

export function registerModelPicker(models: LanguageModels): vscode.Disposable {
  return vscode.commands.registerCommand(commands.selectModel, (at?: unknown) => (isModelAt(at) ? use(models, at) : select(models)));
}

const isModelAt = (value: unknown): value is ModelAt =>
  typeof value === 'object' && value !== null && 'path' in value && typeof value.path === 'string' && 'variant' in value && (value.variant === null || typeof value.variant === 'string');

async function use(models: LanguageModels, at: ModelAt): Promise<ModelAt | undefined> {
  if (!isAllowed()) return undefined;
  await models.choice.pick(at);
  return at;
}

async function select(models: LanguageModels): Promise<ModelAt | undefined> {
  if (!isAllowed()) return undefined;
  const chosen = await ask(models);
  switch (chosen?.kind) {
    case 'model':
      return use(models, chosen.at);
    case 'broken':
      await vscode.commands.executeCommand(commands.showModel, chosen.at);
      return undefined;
    case 'open':
      return openFolder(models);
    case 'download':
      return vscode.commands.executeCommand<ModelAt | undefined>(commands.downloadModel);
    case undefined:
      return undefined;
  }
}

/** What is picked in the list, which fills when the models have been found. */
function ask(models: LanguageModels): Promise<Chosen | undefined> {
  const pick = vscode.window.createQuickPick<Item>();
  pick.title = vscode.l10n.t('Language model for this workspace');
  pick.placeholder = vscode.l10n.t('Search by name, family or variant');
  [pick.matchOnDescription, pick.matchOnDetail, pick.busy] = [true, true, true];
  pick.items = ways(0);
  void models.list().then(
    (listed) => {
      pick.items = [...modelItems(listed, models.choice.current), ...ways(listed.length)];
      const current = pick.items.find(({ label }) => label.startsWith('$(check)'));
      if (current) pick.activeItems = [current];
    },
    (error: unknown) => void vscode.window.showErrorMessage(error instanceof Error ? error.message : String(error)),
  ).finally(() => (pick.busy = false));
  pick.onDidTriggerItemButton(({ item }) => {
    pick.hide();
    if (item.chosen && 'at' in item.chosen) void vscode.commands.executeCommand(commands.showModel, item.chosen.at);
  });
  return new Promise((resolve) => {
    pick.onDidAccept(() => {
      const [item] = pick.selectedItems;
      resolve(item?.chosen);
      pick.hide();
    });
    pick.onDidHide(() => {
      resolve(undefined);
      pick.dispose();
    });
    pick.show();
  });
}

const ways = (found: number): Item[] => [
  { label: found === 0 ? '' : vscode.l10n.t('More'), kind: vscode.QuickPickItemKind.Separator },
  { label: vscode.l10n.t('$(folder-opened) Open a Model Folder…'), detail: vscode.l10n.t('A folder with config.json, tokenizer.json and an ONNX graph'), chosen: { kind: 'open' }, alwaysShow: true },
  { label: vscode.l10n.t('$(cloud-download) Download from the Hub…'), detail: vscode.l10n.t('An ONNX model of huggingface.co, in the variant that you choose'), chosen: { kind: 'download' }, alwaysShow: true },
];

export function modelItems(listed: readonly ListedModel[], current: ModelAt | null): Item[] {
  const origins: readonly ModelOrigin[] = ['shipped', 'downloaded', 'opened'];
  return origins.flatMap((origin) => {
    const items = listed.filter((model) => model.origin === origin).flatMap((model) => itemsOf(model, current));
    return items.length === 0 ? [] : [{ label: originText(origin), kind: vscode.QuickPickItemKind.Separator }, ...items];
  });
}

export function originText(origin: ModelOrigin): string {
  switch (origin) {
    case 'shipped': return vscode.l10n.t('Come with GradLens');
    case 'downloaded': return vscode.l10n.t('Downloaded');
    case 'opened': return vscode.l10n.t('Opened folders');
  }
}

function itemsOf(model: ListedModel, current: ModelAt | null): Item[] {
  const { name, path, problem, variants } = model;
  if (problem) return [{ label: `$(warning) ${name}`, description: vscode.l10n.t('cannot be used'), detail: problem.message.startsWith(path) ? problem.message.slice(path.length).trim() : problem.message, chosen: { kind: 'broken', at: { path, variant: null } } }];
  return variants.map((variant, i) => {
    const inUse = current?.path === path && (current.variant === variant.name || (current.variant === null && i === 0));
    return { label: inUse ? `$(check) ${name}` : name, description: variantText(variant), detail: detailOf(model), buttons: [about], chosen: { kind: 'model', at: { path, variant: variant.name } } };
  });
}

const variantText = ({ name, bytes }: SizedFile): string => `${name === 'default' ? '' : `${name} · `}${sizeText(bytes)}`;

function detailOf({ family, layers, hidden, context, images, origin, path }: ListedModel): string {
  const size = layers === null ? [] : [hidden === null ? vscode.l10n.t('{0} layers', layers) : vscode.l10n.t('{0} layers of {1}', layers, hidden)];
  const parts = [family, ...size, ...(context === null ? [] : [vscode.l10n.t('context {0}', context.toLocaleString())]), ...(images ? [vscode.l10n.t('reads images')] : [])];
  const place = origin === 'shipped' ? vscode.l10n.t('demonstration, works offline') : path;
  return [...parts, place].join(' · ');
}

async function openFolder(models: LanguageModels): Promise<ModelAt | undefined> {
  const [folder] = (await vscode.window.showOpenDialog({ canSelectFolders: true, canSelectFiles: false, openLabel: vscode.l10n.t('Use This Model'), title: vscode.l10n.t('The folder of a language model (config.json, tokenizer.json, an ONNX graph)') })) ?? [];
  if (!folder) return undefined;
  const answer = await models.calls.call('facts', { path: folder.fsPath, variant: null, memoryBudgetBytes: null });
  if (!answer.ok) {
    void vscode.window.showErrorMessage(answer.problem.message);
    return undefined;
  }
  const { path, variant } = answer.facts;
  await models.choice.remember(path);
  return use(models, { path, variant });
}

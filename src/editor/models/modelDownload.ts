// Download language model: asks which one and in which variant, shows how far it is, goes on where it was stopped.
import * as vscode from 'vscode';
import { isAllowed } from './languageModels.ts';
import type { LanguageModels } from './languageModels.ts';
import { downloadsFolder } from './modelSettings.ts';
import type { Services } from '../services.ts';
import type { Download, DownloadProgress } from '../../lm/download.ts';
import type { VariantSize } from '../../lm/hub/modelFiles.ts';
import type { DownloadProblem } from '../../lm/hub/problem.ts';
import { isRepositoryName } from '../../lm/hub/repositoryName.ts';
import { folderOfRepository } from '../../lm/modelsFolder.ts';
import type { LanguageModelCalls, ModelAt } from '../../lm/workerCalls.ts';
import type { RemoteCalls } from '../../runtime/calls.ts';
import { CancelledError } from '../../shared/cancellation.ts';
import { commands } from '../../shared/contributions.ts';
import { sizeText } from '../../shared/sizeText.ts';

/** Repositories that are known to hold small decoders in ONNX. */
const suggestions: readonly (readonly [repo: string, what: string])[] = [
  ['onnx-community/SmolLM2-135M-ONNX', 'Llama, 135 million parameters'],
  ['HuggingFaceTB/SmolLM2-360M-Instruct', 'Llama, 360 million parameters, follows instructions'],
  ['onnx-community/Qwen2.5-0.5B-Instruct', 'Qwen2, 494 million parameters, follows instructions'],
  ['onnx-community/Llama-3.2-1B-Instruct', 'Llama, 1.2 billion parameters, follows instructions'],
  ['Xenova/gpt2', 'GPT-2, 124 million parameters'],
];

export type DownloadOutcome =
  | { readonly status: 'complete'; readonly download: Download }
  | { readonly status: 'stopped'; readonly kept: number }
  | { readonly status: 'failed'; readonly problem: Pick<DownloadProblem, 'message'> };

export class ModelDownloads implements vscode.Disposable {
  /** The processes that download now. */
  private readonly running = new Map<RemoteCalls<LanguageModelCalls>, vscode.CancellationTokenSource>();
  /** How far the latest download is; for tests. */
  last: DownloadProgress | null = null;
  private readonly subscription: vscode.Disposable;

  constructor(
    private readonly services: Services,
    private readonly models: LanguageModels,
  ) {
    this.subscription = vscode.commands.registerCommand(commands.downloadModel, () => this.ask());
  }

  /** For tests. */
  get pids(): readonly number[] {
    return [...this.running.keys()].flatMap(({ pid }) => pid ?? []);
  }

  /** Stops every download; what has arrived is kept. */
  stop(): void {
    for (const source of this.running.values()) source.cancel();
  }

  private async ask(): Promise<ModelAt | undefined> {
    if (!isAllowed()) return undefined;
    const repo = await askRepository();
    if (repo === undefined) return undefined;
    const calls = this.services.startLanguageModels('download');
    try {
      const variant = await askVariant(calls, repo);
      return variant === undefined ? undefined : await this.downloadAndOffer(repo, variant);
    } finally {
      calls.dispose();
    }
  }

  /** Downloads, and offers what follows: to use it, to try again, to go on. @returns the model if the user wants to use it */
  private async downloadAndOffer(repo: string, variant: string): Promise<ModelAt | undefined> {
    const outcome = await this.download(repo, variant);
    const again = (): Promise<ModelAt | undefined> => this.downloadAndOffer(repo, variant);
    switch (outcome.status) {
      case 'complete':
        return this.offerUse(outcome.download);
      case 'stopped': {
        const resume = vscode.l10n.t('Resume');
        const kept = outcome.kept > 0 ? vscode.l10n.t('Stopped; {0} of {1} are kept.', sizeText(outcome.kept), repo) : vscode.l10n.t('The download of {0} was stopped.', repo);
        return (await vscode.window.showInformationMessage(kept, resume)) === resume ? again() : undefined;
      }
      case 'failed': {
        const retry = vscode.l10n.t('Try Again');
        const other = vscode.l10n.t('Choose Another');
        const chosen = await vscode.window.showErrorMessage(outcome.problem.message, retry, other);
        return chosen === retry ? again() : chosen === other ? this.ask() : undefined;
      }
    }
  }

  private async offerUse({ folder, repo, bytes }: Download): Promise<ModelAt | undefined> {
    const use = vscode.l10n.t('Use It');
    const about = vscode.l10n.t('What It Supports');
    const at = { path: folder, variant: null };
    const chosen = await vscode.window.showInformationMessage(vscode.l10n.t('{0} ({1}) is downloaded, checked, and works offline from now on.', repo, sizeText(bytes)), use, about);
    if (chosen === about) await vscode.commands.executeCommand(commands.showModel, at);
    if (chosen !== use) return undefined;
    await this.models.choice.pick(at);
    return at;
  }

  /** In a process of its own, with progress in a notification that can be cancelled. */
  async download(repo: string, variant: string | null): Promise<DownloadOutcome> {
    const calls = this.services.startLanguageModels('download');
    const source = new vscode.CancellationTokenSource();
    this.running.set(calls, source);
    this.last = null;
    const location = { location: vscode.ProgressLocation.Notification, title: vscode.l10n.t('GradLens: downloading {0}', repo), cancellable: true };
    try {
      return await vscode.window.withProgress(location, (report, token) => {
        token.onCancellationRequested(() => source.cancel());
        return this.transferred(calls, { repo, variant, folder: folderOfRepository(downloadsFolder(), repo) }, report, source.token);
      });
    } finally {
      this.running.delete(calls);
      calls.dispose();
      source.dispose();
    }
  }

  private async transferred(
    calls: RemoteCalls<LanguageModelCalls>,
    request: LanguageModelCalls['download']['request'],
    report: vscode.Progress<{ message?: string; increment?: number }>,
    token: vscode.CancellationToken,
  ): Promise<DownloadOutcome> {
    let kept = 0;
    let shown = 0;
    const onProgress = (progress: DownloadProgress): void => {
      kept = progress.bytesDone;
      this.last = progress;
      const share = progress.bytes === 0 ? 100 : (100 * progress.bytesDone) / progress.bytes;
      report.report({ message: progressText(progress), increment: Math.max(0, share - shown) });
      shown = Math.max(shown, share);
    };
    report.report({ message: vscode.l10n.t('asking for the list of files') });
    try {
      const result = await calls.call('download', request, {
        token,
        whenCancelled: 'ask',
        onEvent: (event) => {
          if (event.type === 'progress') onProgress(event.progress);
          else if (event.type === 'note') this.models.note(event.message);
          else for (const note of event.plan.notes) this.services.log.info(`${request.repo}: ${note}`);
        },
      });
      return result.ok ? { status: 'complete', download: result.download } : this.failed(request.repo, result.problem);
    } catch (error) {
      if (error instanceof CancelledError) return { status: 'stopped', kept };
      const message = error instanceof Error ? error.message : String(error);
      return this.failed(request.repo, { message: vscode.l10n.t('The download of {0} broke off: {1} What has arrived is kept.', request.repo, message) });
    }
  }

  private failed(repo: string, problem: Pick<DownloadProblem, 'message'>): DownloadOutcome {
    this.services.log.error(`${repo}: ${problem.message}`);
    return { status: 'failed', problem };
  }

  dispose(): void {
    this.subscription.dispose();
    for (const calls of this.running.keys()) calls.dispose();
  }
}

export function progressText({ bytesDone, bytes, bytesPerSecond }: DownloadProgress): string {
  const share = bytes === 0 ? 100 : Math.floor((100 * bytesDone) / bytes);
  const rate = bytesPerSecond > 0 ? ` · ${vscode.l10n.t('{0}/s', sizeText(bytesPerSecond))}` : '';
  const left = bytesPerSecond > 0 && bytesDone < bytes ? ` · ${vscode.l10n.t('{0} left', durationText((bytes - bytesDone) / bytesPerSecond))}` : '';
  return `${vscode.l10n.t('{0} % · {1} of {2}', share, sizeText(bytesDone), sizeText(bytes))}${rate}${left}`;
}

function durationText(seconds: number): string {
  if (seconds < 60) return vscode.l10n.t('{0} s', Math.ceil(seconds));
  return seconds < 3600 ? vscode.l10n.t('{0} min', Math.ceil(seconds / 60)) : vscode.l10n.t('{0} h', (seconds / 3600).toFixed(1));
}

interface RepositoryItem extends vscode.QuickPickItem {
  readonly repo?: string;
}

/** A suggestion, or whatever name is typed. */
function askRepository(): Promise<string | undefined> {
  const pick = vscode.window.createQuickPick<RepositoryItem>();
  pick.title = vscode.l10n.t('Download a language model from the Hub (1/2)');
  pick.placeholder = vscode.l10n.t('OWNER/NAME, as its page on huggingface.co shows it');
  const known: readonly RepositoryItem[] = suggestions.map(([repo, description]) => ({ label: repo, description, repo }));
  const show = (): void => {
    const typed = pick.value.trim();
    pick.items = typed === '' || known.some(({ repo }) => repo === typed) ? known : [typedItem(typed), ...known];
  };
  pick.onDidChangeValue(show);
  show();
  return new Promise((resolve) => {
    pick.onDidAccept(() => {
      const repo = pick.selectedItems[0]?.repo;
      if (repo === undefined) return;
      resolve(repo);
      pick.hide();
    });
    pick.onDidHide(() => {
      resolve(undefined);
      pick.dispose();
    });
    pick.show();
  });
}

/** What is typed, said whether it can be a name. */
function typedItem(typed: string): RepositoryItem {
  const repo = typed.replace(/^https?:\/\/[^/]+\//u, '').replace(/\/(?:tree|blob)\/.*$|\/+$/u, '');
  if (isRepositoryName(repo) && repo.includes('/')) return { label: vscode.l10n.t('$(cloud-download) {0}', repo), repo, alwaysShow: true };
  return { label: vscode.l10n.t('$(warning) “{0}” is not the name of a repository', typed), detail: vscode.l10n.t('Give OWNER/NAME, for example onnx-community/SmolLM2-135M-ONNX'), alwaysShow: true };
}

/** @returns undefined where the user thought better of it, or there is none (which is told) */
async function askVariant(calls: RemoteCalls<LanguageModelCalls>, repo: string): Promise<string | undefined> {
  const source = new vscode.CancellationTokenSource();
  const items = calls.call('variants', { repo }, { token: source.token }).then((answer) => {
    if (!answer.ok) throw new Error(answer.problem.message);
    return answer.variants.map(variantItem);
  });
  // Closed while it still looks: nobody waits for the answer any more.
  items.catch(() => undefined);
  const options = { title: vscode.l10n.t('Download {0} (2/2)', repo), placeHolder: vscode.l10n.t('Which variant? Smaller ones need less memory and are less exact') };
  try {
    const chosen = await vscode.window.showQuickPick(items, options, source.token);
    return chosen?.variant;
  } catch (error) {
    if (!(error instanceof CancelledError)) void vscode.window.showErrorMessage(error instanceof Error ? error.message : String(error));
    return undefined;
  } finally {
    source.cancel();
    source.dispose();
  }
}

function variantItem({ variant, bytes, isDefault, notes }: VariantSize): vscode.QuickPickItem & { readonly variant: string } {
  const usual = isDefault ? vscode.l10n.t('the usual choice') : '';
  return { label: variant, description: [sizeText(bytes), variantMeaning(variant), usual].filter((text) => text !== '').join(' · '), ...(notes.length > 0 ? { detail: notes.join('; ') } : {}), variant };
}

function variantMeaning(variant: string): string {
  if (variant === 'fp32') return vscode.l10n.t('full precision; gradients');
  if (variant === 'fp16') return vscode.l10n.t('half precision');
  if (/^q4/u.test(variant)) return vscode.l10n.t('4-bit weights');
  if (/^(?:q8|u?int8|quantized)/u.test(variant)) return vscode.l10n.t('8-bit weights');
  return '';
}

// The settings about language models, as they hold now.
import { homedir } from 'node:os';
import * as path from 'node:path';
import * as vscode from 'vscode';
import { modelsFolder } from '../../lm/modelsFolder.ts';
import type { CompletionRequest } from '../../lm/workerCalls.ts';
import type { Provider } from '../../runtime/protocol.ts';
import { settings } from '../../shared/contributions.ts';
import type { AttributionCallRequest } from '../../steering/workerCalls.ts';

const section = (): vscode.WorkspaceConfiguration => vscode.workspace.getConfiguration(settings.section);

/** A path as people write it in settings: `~` is the home folder, a relative one begins in the workspace. */
export function settingPath(text: string): string {
  const expanded = text.trim().replace(/^~(?=$|[\\/])/u, homedir());
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri.fsPath;
  return path.resolve(folder ?? homedir(), expanded);
}

const pathSetting = (key: string): string | null => {
  const text = section().get<string>(key, '').trim();
  return text === '' ? null : settingPath(text);
};

/** The model that the settings name, if they do. */
export const modelOfSettings = (): string | null => pathSetting(settings.model);

/** Where downloads go. */
export const downloadsFolder = (): string => pathSetting(settings.modelsFolder) ?? modelsFolder();

export const providerSetting = (): Provider | 'auto' => section().get<Provider | 'auto'>(settings.provider, 'auto');

/** Bytes; null where the settings leave it to the machine. */
export function memoryBudget(): number | null {
  const gibibytes = section().get<number>(settings.memoryBudget, 0);
  return gibibytes > 0 ? gibibytes * 2 ** 30 : null;
}

/** How texts are continued. */
export function completionSettings(): Pick<CompletionRequest, 'sampling' | 'maxTokens' | 'seed'> {
  const configuration = section();
  const sampling = { temperature: configuration.get<number>(settings.temperature, 0), topK: 0, topP: configuration.get<number>(settings.topP, 1), minP: 0, repetitionPenalty: 1 };
  return { sampling, maxTokens: configuration.get<number>(settings.maxTokens, 128), seed: configuration.get<number>(settings.seed, 1) };
}

/** How texts are attributed. */
export function attributionSettings(): Pick<AttributionCallRequest, 'method' | 'steps' | 'baseline'> {
  const configuration = section();
  return {
    method: configuration.get<AttributionCallRequest['method']>(settings.attributionMethod, 'ig'),
    steps: configuration.get<number>(settings.attributionSteps, 20),
    baseline: configuration.get<AttributionCallRequest['baseline']>(settings.attributionBaseline, 'mean'),
  };
}

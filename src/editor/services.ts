// What the features share: the worker processes, the log, and where the built files lie.
import * as path from 'node:path';
import * as vscode from 'vscode';
import { RunStore } from './runStore.ts';
import type { LanguageModelCalls } from '../lm/workerCalls.ts';
import { RemoteWorker } from '../repair/remote.ts';
import { RemoteCalls } from '../runtime/calls.ts';
import type { SteeringCalls } from '../steering/workerCalls.ts';

/** What the process of the language models answers. */
export type ModelProcessCalls = LanguageModelCalls & SteeringCalls;

export interface Services {
  readonly log: vscode.LogOutputChannel;
  /** Checks documents; stays alive. */
  readonly checker: RemoteWorker;
  /** Repairs programs; ended when a repair is cancelled. */
  readonly repairer: RemoteWorker;
  /** A process of one's own; dispose it. */
  startWorker(name: string): RemoteWorker;
  /** A process for language models of one's own; dispose it. */
  startLanguageModels(name: string): RemoteCalls<ModelProcessCalls>;
  readonly hostPath: string;
  readonly extensionUri: vscode.Uri;
  readonly state: vscode.Memento;
  /** Where steering vectors are kept, for all workspaces: they belong to models. */
  readonly vectorsFolder: string;
  /** Repair runs of this workspace. */
  readonly runs: RunStore;
}

export function createServices(context: vscode.ExtensionContext): Services {
  const log = vscode.window.createOutputChannel('GradLens', { log: true });
  const dist = path.join(context.extensionPath, 'dist');
  const worker = (name: string): RemoteWorker => new RemoteWorker(path.join(dist, 'worker.cjs'), (line) => log.warn(`${name}: ${line}`));
  const services: Services = {
    log,
    checker: worker('checker'),
    repairer: worker('repairer'),
    startWorker: worker,
    startLanguageModels: (name) => new RemoteCalls<ModelProcessCalls>({ path: path.join(dist, 'lm.cjs'), log: (line) => log.warn(`${name}: ${line}`) }),
    hostPath: path.join(dist, 'host.cjs'),
    extensionUri: context.extensionUri,
    state: context.workspaceState,
    vectorsFolder: path.join(context.globalStorageUri.fsPath, 'vectors'),
    runs: new RunStore(path.join((context.storageUri ?? context.globalStorageUri).fsPath, 'runs'), (line) => log.warn(line)),
  };
  context.subscriptions.push(log, services.checker, services.repairer);
  return services;
}

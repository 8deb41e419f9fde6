// Which model is used in this workspace: what was picked or set last.
import * as vscode from 'vscode';
import { modelOfSettings } from './modelSettings.ts';
import type { ModelAt } from '../../lm/workerCalls.ts';
import { settings } from '../../shared/contributions.ts';

const pickedKey = 'model.picked';
const openedKey = 'model.opened';
const mostOpened = 10;

interface Picked extends ModelAt {
  /** What the setting was then: a setting that has been changed since is later. */
  readonly setting: string | null;
}

export class ModelChoice implements vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<void>();
  readonly onDidChange = this.changed.event;
  private readonly subscription: vscode.Disposable;

  constructor(private readonly state: vscode.Memento) {
    this.subscription = vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration(`${settings.section}.${settings.model}`)) this.changed.fire();
    });
  }

  /** Null where none is chosen yet. */
  get current(): ModelAt | null {
    const picked = this.state.get<Picked>(pickedKey);
    const set = modelOfSettings();
    if (picked && picked.setting === set) return { path: picked.path, variant: picked.variant };
    return set === null ? null : { path: set, variant: null };
  }

  async pick({ path, variant }: ModelAt): Promise<void> {
    await this.state.update(pickedKey, { path, variant, setting: modelOfSettings() } satisfies Picked);
    this.changed.fire();
  }

  /** The model is no longer there. */
  async forget(path: string): Promise<void> {
    if (this.state.get<Picked>(pickedKey)?.path === path) await this.state.update(pickedKey, undefined);
    await this.state.update(openedKey, this.opened.filter((other) => other !== path));
    this.changed.fire();
  }

  /** Folders that the user has opened models from, the latest first. */
  get opened(): readonly string[] {
    return this.state.get<readonly string[]>(openedKey, []);
  }

  async remember(path: string): Promise<void> {
    await this.state.update(openedKey, [path, ...this.opened.filter((other) => other !== path)].slice(0, mostOpened));
  }

  dispose(): void {
    this.subscription.dispose();
    this.changed.dispose();
  }
}

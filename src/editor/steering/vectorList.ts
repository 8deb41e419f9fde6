// The steering vectors of this machine and how they are set in this workspace: on or off, how strong, at which layers.
import * as path from 'node:path';
import * as vscode from 'vscode';
import { methodText } from './methodText.ts';
import type { LanguageModels } from '../models/languageModels.ts';
import type { Services } from '../services.ts';
import type { VectorRow, VectorSettings } from '../../shared/steeringMessages.ts';
import { mostStrength, usualStrength } from '../../shared/steeringMessages.ts';
import type { AppliedFile, ListedVector, VectorsResult } from '../../steering/workerCalls.ts';

const settingsKey = 'steering.vectors';
const firstStrength = 0.1;

type Settings = Readonly<Record<string, VectorSettings>>;

export class VectorList implements vscode.Disposable {
  private listed: VectorsResult = { vectors: [], problems: [] };
  private settings: Settings;
  private reading: Promise<void> = Promise.resolve();
  private readonly changed = new vscode.EventEmitter<void>();
  /** Vectors came, went, or were set otherwise than by the view. */
  readonly onDidChange = this.changed.event;

  constructor(
    private readonly services: Services,
    private readonly models: LanguageModels,
  ) {
    this.settings = services.state.get<Settings>(settingsKey, {});
  }

  get problems(): readonly string[] {
    return this.listed.problems;
  }

  get rows(): readonly VectorRow[] {
    return this.listed.vectors.map((vector) => ({
      most: mostOf(vector, this.settingsOf(vector)),
      id: vector.file, name: vector.name, method: methodText(vector.method), origin: originText(vector), layers: vector.layers,
      problem: vector.problem, warning: vector.warnings.join(' '), ...this.settingsOf(vector),
    }));
  }

  /** What steers: the vectors that are on, fit, and have a strength. */
  get applied(): readonly AppliedFile[] {
    return this.rows.filter(({ on, problem, strength }) => on && problem === null && strength !== 0).map(({ id, strength, from, to }) => ({ file: path.join(this.services.vectorsFolder, id), strength, from, to }));
  }

  /** Reads the folder again; one after the other, so that the latest state stays. */
  refresh(): Promise<void> {
    this.reading = this.reading.then(() => this.read());
    return this.reading;
  }

  private async read(): Promise<void> {
    if (!vscode.workspace.isTrusted) return;
    try {
      this.listed = await this.models.calls.call('vectors', { folder: this.services.vectorsFolder, model: this.models.choice.current });
    } catch (error) {
      this.listed = { vectors: [], problems: [error instanceof Error ? error.message : String(error)] };
    }
    this.changed.fire();
  }

  set(id: string, change: Partial<VectorSettings>): void {
    const vector = this.listed.vectors.find(({ file }) => file === id);
    if (!vector) return;
    this.settings = { ...this.settings, [id]: { ...this.settingsOf(vector), ...change } };
    void this.services.state.update(settingsKey, this.settings);
  }

  /** A vector that has just come is used. */
  async turnOn(id: string): Promise<void> {
    await this.refresh();
    this.set(id, { on: true });
    this.changed.fire();
  }

  private settingsOf({ file, layers, suggestedStrength }: ListedVector): VectorSettings {
    const [first, last] = [layers[0] ?? 0, layers.at(-1) ?? 0];
    const { on = false, strength = suggestedStrength ?? firstStrength, from = first, to = last } = this.settings[file] ?? {};
    return { on, strength, from: Math.max(first, Math.min(last, from)), to: Math.max(first, Math.min(last, to)) };
  }

  /** Copies a file into the list; one that is no vector is refused in words. */
  async importFile(source: vscode.Uri): Promise<void> {
    const target = await this.freeName(path.basename(source.path).replace(/\.safetensors$/iu, ''));
    await vscode.workspace.fs.copy(source, vscode.Uri.file(target));
    const id = path.basename(target);
    await this.refresh();
    if (this.listed.vectors.some(({ file }) => file === id)) return this.turnOn(id);
    const problem = this.listed.problems.find((message) => message.includes(id)) ?? vscode.l10n.t('{0} cannot be used as a steering vector.', source.fsPath);
    await vscode.workspace.fs.delete(vscode.Uri.file(target));
    await this.refresh();
    void vscode.window.showErrorMessage(problem.replace(target, source.fsPath));
  }

  /** A path in the folder, which is made, that no file has yet. */
  async freeName(wanted: string): Promise<string> {
    const folder = vscode.Uri.file(this.services.vectorsFolder);
    await vscode.workspace.fs.createDirectory(folder);
    const taken = new Set((await vscode.workspace.fs.readDirectory(folder)).map(([name]) => name));
    const base = wanted.replaceAll(/[^\p{L}\p{N}._ -]+/gu, '_').slice(0, 80) || 'vector';
    for (let n = 1; ; n++) {
      const name = `${n === 1 ? base : `${base} ${n}`}.safetensors`;
      if (!taken.has(name)) return path.join(folder.fsPath, name);
    }
  }

  async delete(id: string): Promise<void> {
    const uri = vscode.Uri.file(path.join(this.services.vectorsFolder, id));
    try {
      await vscode.workspace.fs.delete(uri);
      this.settings = Object.fromEntries(Object.entries(this.settings).filter(([file]) => file !== id));
      await this.services.state.update(settingsKey, this.settings);
    } catch (error) {
      void vscode.window.showErrorMessage(vscode.l10n.t('“{0}” could not be deleted: {1}', uri.fsPath, error instanceof Error ? error.message : String(error)));
    }
    await this.refresh();
  }

  dispose(): void {
    this.changed.dispose();
  }
}

/** A slider reaches what was suggested, and half as far again. */
const mostOf = ({ suggestedStrength }: ListedVector, { strength }: VectorSettings): number =>
  Math.min(mostStrength, Math.max(usualStrength, 1.5 * Math.abs(suggestedStrength ?? 0), Math.abs(strength)));

function originText({ items, data, model, tokens, layers }: ListedVector): string {
  const range = layers.length === 1 ? vscode.l10n.t('layer {0}', layers[0] ?? 0) : vscode.l10n.t('layers {0} to {1}', layers[0] ?? 0, layers.at(-1) ?? 0);
  return [vscode.l10n.t('{0} pairs of {1}', items, path.basename(data)), model, range, tokens].join(' · ');
}

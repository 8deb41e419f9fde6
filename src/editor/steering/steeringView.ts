// The Steering view: the model in use, the vectors that steer it, and the playground.
import * as path from 'node:path';
import * as vscode from 'vscode';
import { Playground } from './playground.ts';
import { VectorList } from './vectorList.ts';
import type { MakingOutcome } from './vectorMaking.ts';
import { VectorMaking } from './vectorMaking.ts';
import { activityText } from '../models/completion.ts';
import type { LanguageModels } from '../models/languageModels.ts';
import { PageView } from '../pageView.ts';
import type { Services } from '../services.ts';
import { commands, steeringView } from '../../shared/contributions.ts';
import type { FromSteeringView, SteeringAction, SteeringModel, SteeringState, ToSteeringView } from '../../shared/steeringMessages.ts';
import { isFromSteeringView } from '../../shared/steeringMessages.ts';
import type { MakingMethod } from '../../steering/workerCalls.ts';

export class SteeringView implements vscode.Disposable {
  readonly playground: Playground;
  readonly vectors: VectorList;
  readonly makings: VectorMaking;
  private readonly view: PageView<FromSteeringView>;
  private readonly subscriptions: readonly vscode.Disposable[];

  constructor(
    services: Services,
    private readonly models: LanguageModels,
  ) {
    this.vectors = new VectorList(services, models);
    this.makings = new VectorMaking(services, models, this.vectors);
    this.playground = new Playground(services, models, () => this.vectors.applied);
    this.view = new PageView(services.extensionUri, {
      viewType: steeringView,
      page: 'steering',
      title: vscode.l10n.t('Steering'),
      isMessage: isFromSteeringView,
      onMessage: (message) => this.onMessage(message),
      onVisible: () => this.refresh(),
    });
    this.subscriptions = [
      this.view,
      this.playground,
      this.vectors,
      this.makings,
      this.makings.onDidChange(() => this.post()),
      models.onDidChange(() => this.post()),
      models.choice.onDidChange(() => this.refresh()),
      this.vectors.onDidChange(() => this.post()),
      this.playground.onDidGrow(() => this.postAnswers()),
      vscode.workspace.onDidGrantWorkspaceTrust(() => this.post()),
      vscode.commands.registerCommand(commands.makeVector, (pairs?: vscode.Uri, method?: MakingMethod) => this.make(pairs, method)),
      vscode.commands.registerCommand(commands.cancelVector, () => this.makings.cancel()),
      vscode.commands.registerCommand(commands.importVector, () => this.import()),
      vscode.commands.registerCommand(commands.runPlayground, () => this.playground.run()),
      vscode.commands.registerCommand(commands.stopPlayground, () => this.playground.stop()),
      vscode.commands.registerCommand(commands.openSteering, () => vscode.commands.executeCommand(`${steeringView}.focus`)),
    ];
  }

  /** What the view shows; for tests too. */
  get state(): SteeringState {
    const { prompt, answers } = this.playground;
    return { trusted: vscode.workspace.isTrusted, model: this.model(), vectors: this.vectors.rows, problems: this.vectors.problems, making: this.makings.making, prompt, answers };
  }

  private model(): SteeringModel | null {
    const { choice, provider } = this.models;
    if (!choice.current) return null;
    return { name: path.basename(choice.current.path), provider: provider.last?.provider ?? '', why: provider.last?.why ?? '', activity: activityText(this.models) };
  }

  private post(): void {
    const message: ToSteeringView = { type: 'snapshot', state: this.state };
    void this.view.post(message);
  }

  private postAnswers(): void {
    const message: ToSteeringView = { type: 'answers', answers: this.playground.answers };
    void this.view.post(message);
  }

  async onMessage(message: FromSteeringView): Promise<void> {
    switch (message.type) {
      case 'ready':
        return this.refresh();
      case 'prompt':
        return this.playground.setPrompt(message.text);
      case 'action':
        return this.act(message.action);
      case 'change':
        this.vectors.set(message.id, message.change);
        return this.playground.restartSoon();
      case 'delete':
        return this.askToDelete(message.id);
    }
  }

  private async act(action: SteeringAction): Promise<void> {
    switch (action) {
      case 'select':
        return vscode.commands.executeCommand(commands.selectModel);
      case 'about':
        return vscode.commands.executeCommand(commands.showModel);
      case 'run':
        return void this.playground.run();
      case 'stop':
        return this.playground.stop();
      case 'import':
        return vscode.commands.executeCommand(commands.importVector);
      case 'make':
        return vscode.commands.executeCommand(commands.makeVector);
      case 'cancelMaking':
        return this.makings.cancel();
    }
  }

  /** Shows what is known at once, and what the folder holds as soon as it is read. */
  private async refresh(): Promise<void> {
    this.post();
    await this.vectors.refresh();
  }

  private async make(pairs?: vscode.Uri, method?: MakingMethod): Promise<MakingOutcome | undefined> {
    const outcome = await this.makings.make(pairs instanceof vscode.Uri ? pairs : undefined, method);
    if (outcome?.status === 'made') this.playground.restartSoon();
    return outcome;
  }

  private async import(): Promise<void> {
    const files = await vscode.window.showOpenDialog({ canSelectMany: true, filters: { [vscode.l10n.t('Steering vectors')]: ['safetensors'] }, openLabel: vscode.l10n.t('Import') });
    for (const file of files ?? []) await this.vectors.importFile(file);
  }

  private async askToDelete(id: string): Promise<void> {
    const row = this.vectors.rows.find((vector) => vector.id === id);
    if (!row) return;
    const remove = vscode.l10n.t('Delete');
    const chosen = await vscode.window.showWarningMessage(vscode.l10n.t('Delete the steering vector “{0}”?', row.name), { modal: true, detail: `${row.method} · ${row.origin}` }, remove);
    if (chosen !== remove) return;
    await this.vectors.delete(id);
    this.playground.restartSoon();
  }

  dispose(): void {
    for (const subscription of this.subscriptions) subscription.dispose();
  }
}

// The Steering view: the model in use, the vectors that steer it, and the playground.
import * as path from 'node:path';
import * as vscode from 'vscode';
import { Playground } from './playground.ts';
import { activityText } from '../models/completion.ts';
import type { LanguageModels } from '../models/languageModels.ts';
import { PageView } from '../pageView.ts';
import type { Services } from '../services.ts';
import { commands, steeringView } from '../../shared/contributions.ts';
import type { FromSteeringView, SteeringAction, SteeringModel, SteeringState, ToSteeringView } from '../../shared/steeringMessages.ts';
import { isFromSteeringView } from '../../shared/steeringMessages.ts';

export class SteeringView implements vscode.Disposable {
  readonly playground: Playground;
  private readonly view: PageView<FromSteeringView>;
  private readonly subscriptions: readonly vscode.Disposable[];

  constructor(
    services: Services,
    private readonly models: LanguageModels,
  ) {
    this.playground = new Playground(services, models, () => []);
    this.view = new PageView(services.extensionUri, {
      viewType: steeringView,
      page: 'steering',
      title: vscode.l10n.t('Steering'),
      isMessage: isFromSteeringView,
      onMessage: (message) => this.onMessage(message),
      onVisible: () => this.post(),
    });
    this.subscriptions = [
      this.view,
      this.playground,
      models.onDidChange(() => this.post()),
      this.playground.onDidGrow(() => this.postAnswers()),
      vscode.workspace.onDidGrantWorkspaceTrust(() => this.post()),
      vscode.commands.registerCommand(commands.runPlayground, () => this.playground.run()),
      vscode.commands.registerCommand(commands.stopPlayground, () => this.playground.stop()),
      vscode.commands.registerCommand(commands.openSteering, () => vscode.commands.executeCommand(`${steeringView}.focus`)),
    ];
  }

  /** What the view shows; for tests too. */
  get state(): SteeringState {
    const { prompt, answers } = this.playground;
    return { trusted: vscode.workspace.isTrusted, model: this.model(), vectors: [], problems: [], making: null, prompt, answers };
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
        return this.post();
      case 'prompt':
        return this.playground.setPrompt(message.text);
      case 'action':
        return this.act(message.action);
      case 'change':
      case 'delete':
        return;
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
      case 'make':
      case 'import':
      case 'cancelMaking':
        return;
    }
  }

  dispose(): void {
    for (const subscription of this.subscriptions) subscription.dispose();
  }
}

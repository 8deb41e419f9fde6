// The playground: one prompt, and the answers to it as the model is and as it is steered, side by side while they grow.
import * as vscode from 'vscode';
import { stoppable } from '../models/completion.ts';
import type { LanguageModels } from '../models/languageModels.ts';
import { completionSettings, memoryBudget } from '../models/modelSettings.ts';
import type { Services } from '../services.ts';
import { CancelledError } from '../../shared/cancellation.ts';
import { commands } from '../../shared/contributions.ts';
import type { Answers } from '../../shared/steeringMessages.ts';
import type { ComparisonEvent, ComparisonRequest, ComparisonResult } from '../../steering/workerCalls.ts';

const promptKey = 'steering.prompt';
const answersKey = 'steering.answers';
/** After the last change of a strength, milliseconds. */
const SETTLED_MS = 200;
const PAINT_MS = 40;

const none: Answers = { status: 'empty', message: '', unsteered: '', steered: '', isSteered: false, divergence: [], drift: [] };

/** The unsteered answer depends on nothing else. */
const keyOf = ({ model, provider, text, sampling, maxTokens, seed }: ComparisonRequest): string => JSON.stringify([model, provider, text, sampling, maxTokens, seed]);

export class Playground implements vscode.Disposable {
  answers: Answers;
  prompt: string;
  private running: vscode.CancellationTokenSource | null = null;
  /** The last complete unsteered answer, and what it depends on. */
  private known: { readonly key: string; readonly text: string } | null = null;
  private soon: NodeJS.Timeout | null = null;
  private painting: NodeJS.Timeout | null = null;
  private readonly grown = new vscode.EventEmitter<void>();
  /** The answers are others. */
  readonly onDidGrow = this.grown.event;

  constructor(
    private readonly services: Services,
    private readonly models: LanguageModels,
    private readonly steering: () => ComparisonRequest['steering'],
  ) {
    this.prompt = services.state.get<string>(promptKey, '');
    this.answers = services.state.get<Answers>(answersKey, none);
  }

  setPrompt(text: string): void {
    this.prompt = text;
    void this.services.state.update(promptKey, text);
  }

  /** Strengths have changed: what stands there is written anew when they have settled. */
  restartSoon(): void {
    if (this.answers.status === 'empty') return;
    if (this.soon) clearTimeout(this.soon);
    this.soon = setTimeout(() => void this.run(), SETTLED_MS);
  }

  stop(): void {
    if (this.soon) clearTimeout(this.soon);
    this.soon = null;
    this.running?.cancel();
  }

  async run(): Promise<Answers> {
    this.stop();
    const model = this.models.choice.current;
    if (!model || !vscode.workspace.isTrusted) return this.answers;
    if (this.prompt.trim() === '') return this.show({ ...none, status: 'failed', message: vscode.l10n.t('Write a prompt first.') });
    const cancellation = new vscode.CancellationTokenSource();
    this.running = cancellation;
    this.show({ ...this.answers, status: 'opening', message: '' });
    this.models.show('checking', 0, commands.stopPlayground);
    const { provider } = await this.models.provider.choose();
    const request = { model, provider, memoryBudgetBytes: memoryBudget(), text: this.prompt, asMessage: true, ...completionSettings(), steering: this.steering() };
    try {
      await this.answer(request, cancellation.token);
    } catch (error) {
      if (this.running === cancellation && !(error instanceof CancelledError)) this.fail(error);
    } finally {
      if (this.running === cancellation) this.end();
      cancellation.dispose();
    }
    return this.answers;
  }

  private async answer(request: ComparisonRequest, token: vscode.CancellationToken): Promise<void> {
    const text = new GrowingAnswers(this.known?.key === keyOf(request) ? this.known.text : null);
    const onEvent = (event: ComparisonEvent): void => {
      if (event.type === 'note') return this.models.note(event.message);
      if (event.type === 'host') return this.models.holds(request.model, event.pid);
      if (event.type === 'provider') return this.models.runsOn(event);
      if (token.isCancellationRequested) return;
      if (event.type === 'opening') return this.opening();
      text.add(event);
      this.models.show('writing', text.pieces, commands.stopPlayground);
      this.growTo({ ...text.answers, isSteered: request.steering.length > 0 });
    };
    const calling = this.models.calls.call('compare', request, { token, whenCancelled: 'ask', onEvent });
    const result = await stoppable(calling, token);
    if (result) this.take(result, request);
    else if (this.running?.token === token) this.show({ ...this.answers, status: 'stopped' });
  }

  private opening(): void {
    this.models.holds(null, null);
    this.models.show('opening', 0, commands.stopPlayground);
  }

  private take(result: ComparisonResult, request: ComparisonRequest): void {
    if (!result.ok) return this.fail(new Error(result.message));
    const { unsteered, steered, isSteered, divergence, drift } = result;
    if (!result.cancelled) this.known = { key: keyOf(request), text: unsteered };
    this.show({ status: result.cancelled ? 'stopped' : 'done', message: '', unsteered, steered, isSteered, divergence, drift });
    void this.services.state.update(answersKey, this.answers);
  }

  private fail(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    if (this.models.calls.pid === undefined) this.models.holds(null, null);
    this.services.log.error(message);
    this.show({ ...this.answers, status: 'failed', message });
  }

  private end(): void {
    this.running = null;
    this.models.show('idle');
  }

  private show(answers: Answers): Answers {
    this.answers = answers;
    this.grown.fire();
    return answers;
  }

  /** Not more often than can be seen. */
  private growTo(answers: Answers): void {
    this.answers = answers;
    this.painting ??= setTimeout(() => {
      this.painting = null;
      this.grown.fire();
    }, PAINT_MS);
  }

  dispose(): void {
    this.stop();
    if (this.painting) clearTimeout(this.painting);
    this.grown.dispose();
  }
}

/** What has come so far; an unsteered answer that is known already stays as it is. */
class GrowingAnswers {
  private unsteered = '';
  private steered = '';
  private divergence: readonly number[] = [];
  pieces = 0;

  constructor(private readonly known: string | null) {}

  add(piece: Extract<ComparisonEvent, { type: 'text' }>): void {
    this.unsteered += piece.unsteered;
    this.steered += piece.steered;
    this.divergence = [...this.divergence, ...piece.divergence];
    this.pieces += piece.tokens;
  }

  get answers(): Answers {
    return { status: 'writing', message: '', unsteered: this.known ?? this.unsteered, steered: this.steered, isSteered: false, divergence: this.divergence, drift: [] };
  }
}

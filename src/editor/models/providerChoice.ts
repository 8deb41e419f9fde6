// The execution provider of language models: what the settings ask for, what may be tried, and what runs the open model.
import * as vscode from 'vscode';
import { providerSetting } from './modelSettings.ts';
import type { Services } from '../services.ts';
import type { ModelProvider, ProviderWish } from '../../lm/workerCalls.ts';
import type { Provider } from '../../runtime/protocol.ts';
import type { ProviderReport } from '../../runtime/providers.ts';
import { candidates, withHardware } from '../../runtime/providers.ts';
import { settings } from '../../shared/contributions.ts';
import type { ProviderView } from '../../shared/modelMessages.ts';

interface Plan {
  readonly wish: ProviderWish;
  /** For people: one provider, or those between which the first use decides. */
  readonly provider: string;
  readonly why: string;
}

export class ProviderChoice {
  private checking: Promise<readonly ProviderReport[]> | null = null;
  private reports: readonly ProviderReport[] = [];
  private planned: Plan | null = null;
  private decided: ModelProvider | null = null;

  constructor(private readonly services: Services) {}

  /** What runs the model, or is to run it; null before anything was asked. */
  get last(): ProviderView | null {
    const { planned, decided, reports: rows } = this;
    return planned && { ...(decided ? { provider: decided.provider, why: whyDecided(planned, decided) } : planned), rows };
  }

  /** As the settings are now. Nothing is started where there is nothing to choose. */
  async choose(): Promise<{ readonly provider: ProviderWish }> {
    const setting = providerSetting();
    const isClear = setting === 'cpu' || (setting === 'auto' && withHardware({ environment: process.env }).length === 0);
    const checked = isClear ? [] : await this.checked();
    const plan = planOf(setting, checked);
    if (JSON.stringify(plan.wish) !== JSON.stringify(this.planned?.wish)) this.decided = null;
    this.planned = plan;
    return { provider: plan.wish };
  }

  /** The same, with the self-check's figures of every provider. */
  async examine(): Promise<void> {
    await this.checked();
    await this.choose();
  }

  /** A model has been opened. */
  opened(chosen: ModelProvider): void {
    this.decided = chosen;
  }

  /** Another model is chosen. */
  forget(): void {
    this.decided = null;
  }

  /** A self-check that fails is told, and made again the next time. */
  private async checked(): Promise<readonly ProviderReport[] | string> {
    this.checking ??= this.check();
    try {
      this.reports = await this.checking;
      return this.reports;
    } catch (error) {
      this.checking = null;
      const message = error instanceof Error ? error.message : String(error);
      this.services.log.warn(message);
      return message;
    }
  }

  private async check(): Promise<readonly ProviderReport[]> {
    const reply = await this.services.checker.call({ type: 'providers', hostPath: this.services.hostPath });
    if (reply.type !== 'providers') throw new Error(`an answer of another kind: ${reply.type}`);
    return reply.reports;
  }
}

const settingName = `${settings.section}.${settings.provider}`;

function planOf(setting: Provider | 'auto', checked: readonly ProviderReport[] | string): Plan {
  const onCpu = (why: string): Plan => ({ wish: { kind: 'fastest', candidates: [] }, provider: 'cpu', why });
  if (setting === 'cpu') return { wish: { kind: 'asked', provider: setting }, provider: setting, why: asksFor() };
  if (typeof checked === 'string') return onCpu(vscode.l10n.t('The self-check of the providers failed: {0}', checked));
  if (setting === 'auto') {
    const found = candidates(checked).map(({ provider }) => provider);
    if (found.length === 0) return onCpu(vscode.l10n.t('No other provider works here on hardware of its own ({0} is “auto”).', settingName));
    return { wish: { kind: 'fastest', candidates: found }, provider: [...found, 'cpu'].join(' / '), why: vscode.l10n.t('Decided when the model is first used: the first that agrees with CPU on a short prompt and is faster ({0} is “auto”).', settingName) };
  }
  const row = checked.find(({ provider }) => provider === setting);
  if (row?.works) return { wish: { kind: 'asked', provider: setting }, provider: setting, why: asksFor() };
  return onCpu(vscode.l10n.t('{0} asks for {1}, which does not run here: {2}', settingName, setting, row?.reason ?? vscode.l10n.t('it does not exist on this system')));
}

const asksFor = (): string => vscode.l10n.t('{0} asks for it.', settingName);

function whyDecided({ wish, why }: Plan, { provider, passedOver }: ModelProvider): string {
  if (passedOver.length > 0) return passedOver.join('. ');
  return wish.kind === 'asked' || provider === 'cpu' ? why : vscode.l10n.t('It agrees with CPU on a short prompt of this model and is faster ({0} is “auto”).', settingName);
}

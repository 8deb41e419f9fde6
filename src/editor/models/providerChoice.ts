// The execution provider that language models run on, and why that one: the self-check is made once, when it is first asked for.
import * as vscode from 'vscode';
import { providerSetting } from './modelSettings.ts';
import type { Services } from '../services.ts';
import type { Provider } from '../../runtime/protocol.ts';
import { settings } from '../../shared/contributions.ts';
import type { ProviderView } from '../../shared/modelMessages.ts';

export interface ChosenProvider extends ProviderView {
  readonly provider: Provider;
}

type Checked = Pick<ChosenProvider, 'rows'> & { readonly fastest: Provider };

export class ProviderChoice {
  private checking: Promise<Checked> | null = null;
  /** What was chosen last; null before the first time. */
  last: ChosenProvider | null = null;

  constructor(private readonly services: Services) {}

  /** As the settings are now. A self-check that fails is told in the reason, and made again the next time. */
  async choose(): Promise<ChosenProvider> {
    const setting = providerSetting();
    const checked = await this.checked();
    this.last = chosenOf(setting, checked);
    return this.last;
  }

  private async checked(): Promise<Checked | string> {
    this.checking ??= this.check();
    try {
      return await this.checking;
    } catch (error) {
      this.checking = null;
      this.services.log.warn(error instanceof Error ? error.message : String(error));
      return error instanceof Error ? error.message : String(error);
    }
  }

  private async check(): Promise<Checked> {
    const reply = await this.services.checker.call({ type: 'providers', hostPath: this.services.hostPath });
    if (reply.type !== 'providers') throw new Error(`an answer of another kind: ${reply.type}`);
    return { rows: reply.reports, fastest: reply.chosen };
  }
}

function chosenOf(setting: Provider | 'auto', checked: Checked | string): ChosenProvider {
  const name = `${settings.section}.${settings.provider}`;
  if (typeof checked === 'string') return { provider: 'cpu', why: vscode.l10n.t('The self-check of the providers failed: {0}', checked), rows: [] };
  const { rows, fastest } = checked;
  if (setting === 'auto') {
    const why = fastest === 'cpu' ? vscode.l10n.t('Nothing that works here was faster in the self-check ({0} is “auto”).', name) : vscode.l10n.t('It was the fastest in the self-check ({0} is “auto”).', name);
    return { provider: fastest, why, rows };
  }
  const row = rows.find(({ provider }) => provider === setting);
  if (row?.works) return { provider: setting, why: vscode.l10n.t('{0} asks for it.', name), rows };
  return { provider: 'cpu', why: vscode.l10n.t('{0} asks for {1}, which does not run here: {2}', name, setting, row?.reason ?? vscode.l10n.t('it does not exist on this system')), rows };
}

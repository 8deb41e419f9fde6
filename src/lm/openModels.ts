// The language model that is open in the model host: one at a time, opened when it is first used, kept for the next use.
import { statSync } from 'node:fs';
import type { LanguageModel, LanguageModelResult } from './languageModel.ts';
import { folderDecoder, openLanguageModel } from './languageModel.ts';
import { chooseDecoder } from './providerChoice.ts';
import type { ModelAt, ModelProvider, ProviderWish } from './workerCalls.ts';
import { HostDiedError, ModelHost, survivingDeaths } from '../runtime/client.ts';
import type { Provider } from '../runtime/protocol.ts';
import { reasonOf } from '../runtime/providers.ts';

export interface HostSettings {
  readonly provider: ProviderWish;
  /** Null: what the machine has to spare. */
  readonly memoryBudgetBytes: number | null;
}

export interface OpeningListener {
  readonly onOpening: () => void;
  /** The host's process, as soon as there is one. */
  readonly onHost: (pid: number) => void;
  readonly onProvider?: (chosen: ModelProvider) => void;
}

/** Further sessions of the open model. */
export interface Attached {
  release(): Promise<void>;
}

interface Opened {
  readonly key: string;
  /** Of the model's files: one that has been replaced is another model. */
  readonly stamp: string;
  readonly model: LanguageModel;
  readonly chosen: ModelProvider;
}

type OnProvider = { readonly result: LanguageModelResult; readonly chosen: ModelProvider };

export class OpenModels {
  private host: { readonly key: string; readonly process: ModelHost } | null = null;
  private open: Opened | null = null;
  private attached: Attached[] = [];

  constructor(
    private readonly hostPath: string,
    /** Hears what the host's process says, its deaths among it. */
    private readonly log: (line: string) => void,
  ) {}

  /** The model, opened if it is not. A host that dies while it opens the model is started again. @throws HostDiedError */
  async model(at: ModelAt, settings: HostSettings, listener: OpeningListener): Promise<LanguageModelResult> {
    const key = JSON.stringify([at, settings.provider, settings.memoryBudgetBytes]);
    const { open } = this;
    if (open?.key === key && open.stamp === stampOf(open.model)) {
      if (this.host?.process.pid !== undefined) listener.onHost(this.host.process.pid);
      listener.onProvider?.(open.chosen);
      return { ok: true, model: open.model };
    }
    listener.onOpening();
    await this.close();
    const { result, chosen } = await this.openAsWished(at, settings, listener);
    if (!result.ok) return result;
    listener.onProvider?.(chosen);
    this.open = { key, stamp: stampOf(result.model), model: result.model, chosen };
    return result;
  }

  private async openAsWished(at: ModelAt, settings: HostSettings, listener: OpeningListener): Promise<OnProvider> {
    const { provider: wish } = settings;
    if (wish.kind === 'fastest') return survivingDeaths(() => this.openOnFastest(at, wish.candidates, settings, listener));
    const { provider } = wish;
    const open = (): Promise<LanguageModelResult> => this.openOn(provider, at, settings, listener);
    if (provider === 'cpu') return { result: await survivingDeaths(open), chosen: { provider, passedOver: [] } };
    const refusal = await open().catch((error: unknown) => {
      if (error instanceof HostDiedError) return error.message;
      throw error;
    });
    if (typeof refusal !== 'string' && refusal.ok) return { result: refusal, chosen: { provider, passedOver: [] } };
    const reason = typeof refusal === 'string' ? refusal : refusal.problem.message;
    const passedOver = [`${provider} is passed over for this model: ${reasonOf(reason)}`];
    return { result: await survivingDeaths(() => this.openOn('cpu', at, settings, listener)), chosen: { provider: 'cpu', passedOver } };
  }

  private async openOnFastest(at: ModelAt, candidates: readonly Provider[], settings: HostSettings, listener: OpeningListener): Promise<OnProvider> {
    const result = await this.openOn('cpu', at, settings, listener);
    if (!result.ok) return { result, chosen: { provider: 'cpu', passedOver: [] } };
    const { model } = result;
    const { decoder, provider, passedOver } = await chooseDecoder(model.decoder, folderDecoder(model.folder), candidates);
    return { result: { ok: true, model: { ...model, decoder } }, chosen: { provider, passedOver } };
  }

  private openOn(provider: Provider, at: ModelAt, settings: HostSettings, { onHost }: OpeningListener): Promise<LanguageModelResult> {
    const host = this.hostFor(provider, settings);
    const opening = openLanguageModel(host, at.path, { variant: at.variant ?? undefined });
    if (host.pid !== undefined) onHost(host.pid);
    return opening;
  }

  private hostFor(provider: Provider, { memoryBudgetBytes }: HostSettings): ModelHost {
    const key = JSON.stringify([provider, memoryBudgetBytes]);
    if (this.host?.key !== key) {
      this.host?.process.dispose();
      const budget = memoryBudgetBytes === null ? {} : { memoryBudgetBytes };
      this.host = { key, process: ModelHost.start({ hostPath: this.hostPath, provider, log: this.log, ...budget }) };
    }
    return this.host.process;
  }

  /** What is released when the open model is closed. */
  attach(part: Attached): void {
    this.attached.push(part);
  }

  /** Frees the model. */
  async close(): Promise<void> {
    const { open, attached } = this;
    [this.open, this.attached] = [null, []];
    for (const part of attached) await part.release();
    await open?.model.decoder.release();
  }

  dispose(): void {
    [this.open, this.attached] = [null, []];
    this.host?.process.dispose();
    this.host = null;
  }
}

const stampOf = ({ folder }: LanguageModel): string =>
  [folder.variant.path, folder.tokenizer.tokenizer].map((file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0).join();

// The language model that is open in the model host: one at a time, opened when it is first used, kept for the next use.
import { statSync } from 'node:fs';
import type { LanguageModel, LanguageModelResult } from './languageModel.ts';
import { openLanguageModel } from './languageModel.ts';
import type { ModelAt } from './workerCalls.ts';
import { ModelHost, survivingDeaths } from '../runtime/client.ts';
import type { Provider } from '../runtime/protocol.ts';

export interface HostSettings {
  readonly provider: Provider;
  /** Null: what the machine has to spare. */
  readonly memoryBudgetBytes: number | null;
}

export interface OpeningListener {
  readonly onOpening: () => void;
  /** The host's process, as soon as there is one. */
  readonly onHost: (pid: number) => void;
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
}

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
  async model(at: ModelAt, settings: HostSettings, { onOpening, onHost }: OpeningListener): Promise<LanguageModelResult> {
    const key = JSON.stringify([at, settings.provider, settings.memoryBudgetBytes]);
    const { open } = this;
    if (open?.key === key && open.stamp === stampOf(open.model)) {
      if (this.host?.process.pid !== undefined) onHost(this.host.process.pid);
      return { ok: true, model: open.model };
    }
    onOpening();
    await this.close();
    const host = this.hostFor(settings);
    const opened = await survivingDeaths(() => {
      const opening = openLanguageModel(host, at.path, { variant: at.variant ?? undefined });
      if (host.pid !== undefined) onHost(host.pid);
      return opening;
    });
    if (opened.ok) this.open = { key, stamp: stampOf(opened.model), model: opened.model };
    return opened;
  }

  private hostFor({ provider, memoryBudgetBytes }: HostSettings): ModelHost {
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

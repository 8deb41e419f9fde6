// The decoder that is open in the model host: one at a time, opened when it is first used, kept for the next use.
import { statSync } from 'node:fs';
import type { ModelFolder } from './folder.ts';
import { openModelFolder } from './folder.ts';
import type { LanguageModel } from './languageModel.ts';
import { folderDecoder, folderTokenizer } from './languageModel.ts';
import { openDecoder } from './session.ts';
import type { ModelAt } from './workerCalls.ts';
import { ModelHost, survivingDeaths } from '../runtime/client.ts';
import type { Provider } from '../runtime/protocol.ts';

export interface HostSettings {
  readonly provider: Provider;
  readonly memoryBudgetBytes: number;
}

export type OpenModelResult = { readonly ok: true; readonly model: LanguageModel } | { readonly ok: false; readonly message: string };

export interface OpeningListener {
  readonly onOpening: () => void;
  /** The host's process, as soon as there is one. */
  readonly onHost: (pid: number) => void;
}

export class OpenModels {
  private host: { readonly key: string; readonly process: ModelHost } | null = null;
  private open: { readonly key: string; readonly model: LanguageModel } | null = null;

  constructor(
    private readonly hostPath: string,
    /** Hears what the host's process says, its deaths among it. */
    private readonly log: (line: string) => void,
  ) {}

  get hostPid(): number | undefined {
    return this.host?.process.pid;
  }

  /** The model, opened if it is not. A host that dies while it opens the model is started again. @throws RuntimeError, HostDiedError */
  async model(at: ModelAt, settings: HostSettings, listener: OpeningListener): Promise<OpenModelResult> {
    const found = openModelFolder(at.path, { variant: at.variant ?? undefined });
    if (!found.ok) return { ok: false, message: found.problem.message };
    const { folder } = found;
    const key = keyOf(folder, settings);
    if (this.open?.key === key) {
      const { hostPid } = this;
      if (hostPid !== undefined) listener.onHost(hostPid);
      return { ok: true, model: this.open.model };
    }
    listener.onOpening();
    await this.close();
    const opened = await this.opened(folder, settings, listener);
    if (opened.ok) this.open = { key, model: opened.model };
    return opened;
  }

  private async opened(folder: ModelFolder, settings: HostSettings, { onHost }: OpeningListener): Promise<OpenModelResult> {
    const tokenizer = folderTokenizer(folder);
    if (!tokenizer.ok) return { ok: false, message: tokenizer.fault.message };
    const host = this.hostFor(settings);
    const decoder = await survivingDeaths(() => {
      const opening = openDecoder(host, folderDecoder(folder));
      if (host.pid !== undefined) onHost(host.pid);
      return opening;
    });
    return decoder.ok ? { ok: true, model: { folder, tokenizer: tokenizer.value, decoder: decoder.decoder } } : { ok: false, message: decoder.fault.message };
  }

  private hostFor({ provider, memoryBudgetBytes }: HostSettings): ModelHost {
    const key = `${provider}:${memoryBudgetBytes}`;
    if (this.host?.key !== key) {
      this.host?.process.dispose();
      this.host = { key, process: ModelHost.start({ hostPath: this.hostPath, provider, memoryBudgetBytes, log: this.log }) };
    }
    return this.host.process;
  }

  /** Frees the model. */
  async close(): Promise<void> {
    const { open } = this;
    this.open = null;
    await open?.model.decoder.release();
  }

  dispose(): void {
    this.open = null;
    this.host?.process.dispose();
    this.host = null;
  }
}

/** A file that has been replaced is another model. */
function keyOf({ variant, tokenizer }: ModelFolder, { provider, memoryBudgetBytes }: HostSettings): string {
  const stamps = [variant.path, tokenizer.tokenizer].map((file) => `${file}:${statSync(file).mtimeMs}`);
  return [...stamps, variant.bytes, provider, memoryBudgetBytes].join('|');
}

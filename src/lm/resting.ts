// The model that runs in place of a steered one while nothing steers, so that what could steer costs nothing then.
import type { Feeds } from './session.ts';
import { runnableModel } from './runnableModel.ts';
import type { ModelHost, ModelSource, Session } from '../runtime/client.ts';
import { RuntimeError } from '../runtime/client.ts';
import type { SessionOptions } from '../runtime/protocol.ts';
import { isAtRest } from '../runtime/rest.ts';

/**
 * What gives the same logits, cache and reads as a decoder wherever one of `inputs` is 0 throughout, and takes none of
 * them. It runs in the decoder's place there, if memory allows both to be open; the cache goes from one to the other.
 */
export interface RestingModel {
  readonly source: ModelSource;
  readonly inputs: readonly string[];
}

/** Opens the model when it is first wanted. */
export class Resting {
  private runnable: ModelSource | null = null;
  private session: Session | null = null;

  constructor(
    private readonly host: ModelHost,
    private readonly model: RestingModel,
    private readonly options: Partial<SessionOptions>,
  ) {}

  get inputs(): readonly string[] {
    return this.model.inputs;
  }

  /** The session, where these feeds have no effect and there is room for it; else null. @throws HostDiedError */
  async for(feeds: Feeds): Promise<Session | null> {
    // What one session left in a device's memory is not another's to use.
    if ((this.options.provider ?? this.host.provider) === 'webgpu' || !isAtRest(feeds, this.inputs)) return null;
    try {
      this.runnable ??= runnableModel(this.model.source);
      this.session ??= await this.host.createSessionBeside(this.runnable, this.options);
      return (await this.session?.openBeside()) ? this.session : null;
    } catch (error) {
      // Then the decoder itself does the work.
      if (error instanceof RuntimeError) return null;
      throw error;
    }
  }

  async release(): Promise<void> {
    await this.session?.release();
  }
}

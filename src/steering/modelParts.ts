// What steering opens of a model beside its decoder: kept as long as the model is open, and no longer.
import type { Attributor } from './attribution.ts';
import { openAttributor } from './attribution.ts';
import { residualSites } from './residualStates.ts';
import { SteeredModel } from './steering.ts';
import type { Failure } from './workerCalls.ts';
import type { RgbImage } from '../lm/imagePreparation.ts';
import type { LanguageModel } from '../lm/languageModel.ts';
import type { OpenModels } from '../lm/openModels.ts';
import { LanguageModelError } from '../lm/session.ts';
import type { ImageFeatures, VisionEncoder } from '../lm/visionEncoder.ts';
import { openVisionEncoder } from '../lm/visionEncoder.ts';
import { HostDiedError } from '../runtime/client.ts';
import type { CancellationToken } from '../shared/cancellation.ts';

/** An attributor, and the sites of the residual stream that it can tell of as well. */
export type OpenedParts = { readonly ok: true; readonly attributor: Attributor; readonly layers: readonly string[] } | Failure;
export type SteeredParts = { readonly ok: true; readonly steered: SteeredModel } | Failure;

interface Releasable {
  release(): Promise<void>;
}

const parts = new WeakMap<LanguageModel, ModelParts>();

/** Each of them takes the model's weights once more: the attributor and the steered decoder are not open at once. */
export class ModelParts {
  private attributing: Attributor | null = null;
  private steering: SteeredModel | null = null;
  private vision: VisionEncoder | null = null;

  private constructor(private readonly model: LanguageModel) {}

  static of(model: LanguageModel, models: OpenModels): ModelParts {
    const known = parts.get(model);
    if (known) return known;
    const own = new ModelParts(model);
    parts.set(model, own);
    models.attach(own);
    return own;
  }

  /** @throws RuntimeError, HostDiedError, CancelledError */
  async attributor(token: CancellationToken): Promise<OpenedParts> {
    const { folder, decoder } = this.model;
    await this.drop('steering');
    if (!this.attributing) {
      const opened = await openAttributor(folder, decoder.host, { token });
      if (!opened.ok) return { ok: false, message: opened.problem.message };
      this.attributing = opened.attributor;
    }
    const found = residualSites(folder);
    return { ok: true, attributor: this.attributing, layers: found.ok ? found.sites.map(({ name }) => name) : [] };
  }

  /** @throws RuntimeError, HostDiedError */
  async steered(): Promise<SteeredParts> {
    const { folder, decoder } = this.model;
    await this.drop('attributing');
    if (!this.steering) {
      const opened = await SteeredModel.open(decoder.host, folder, { reads: true });
      if (!opened.ok) return opened;
      this.steering = opened.steered;
    }
    return { ok: true, steered: this.steering };
  }

  /** @throws LanguageModelError, RuntimeError, HostDiedError */
  async encodeImage(image: RgbImage): Promise<ImageFeatures> {
    const { folder, decoder } = this.model;
    if (!this.vision) {
      const opened = await openVisionEncoder(decoder.host, folder);
      if (!opened.ok) throw new LanguageModelError(opened.fault);
      this.vision = opened.encoder;
    }
    return this.vision.encode(image);
  }

  /** Frees what takes the weights once more, so that something else can. */
  async rest(): Promise<void> {
    for (const part of ['attributing', 'steering'] as const) await this.drop(part);
  }

  async release(): Promise<void> {
    for (const part of ['attributing', 'steering', 'vision'] as const) await this.drop(part);
    parts.delete(this.model);
  }

  private async drop(part: 'attributing' | 'steering' | 'vision'): Promise<void> {
    const open: Releasable | null = this[part];
    this[part] = null;
    try {
      await open?.release();
    } catch (error) {
      // What a dead host held is free.
      if (!(error instanceof HostDiedError)) throw error;
    }
  }
}

// The open language model: on the provider that is asked for, on the fastest of those that may be tried, else on CPU with the reason.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { after, before, describe, it } from 'mocha';
import type { LanguageModel } from '../../../src/lm/languageModel.ts';
import { OpenModels } from '../../../src/lm/openModels.ts';
import type { ModelProvider, ProviderWish } from '../../../src/lm/workerCalls.ts';
import { builtHost } from '../../support/host.ts';
import { softwareGpu } from '../../support/softwareGpu.ts';

const tinyCode = fileURLToPath(new URL('../../../models/tiny-code', import.meta.url));

interface Opening {
  readonly model: LanguageModel;
  readonly chosen: ModelProvider | undefined;
  readonly openings: number;
}

describe('the open language model', () => {
  let models: OpenModels;
  before(function () {
    // models/tiny-code is not there.
    if (!existsSync(tinyCode)) return this.skip();
    models = new OpenModels(builtHost(), () => undefined);
  });
  after(() => models?.dispose());

  async function open(provider: ProviderWish, by = models): Promise<Opening> {
    let [chosen, openings]: [ModelProvider | undefined, number] = [undefined, 0];
    const result = await by.model({ path: tinyCode, variant: null }, { provider, memoryBudgetBytes: null }, { onOpening: () => openings++, onHost: () => undefined, onProvider: (one) => (chosen = one) });
    assert.ok(result.ok);
    return { model: result.model, chosen, openings };
  }

  const writes = async ({ decoder }: LanguageModel): Promise<number> => (await decoder.run({ ids: [[1, 2]], past: 0, positions: [-1] })).logits.data.length;

  it('is opened once for a wish, and tells its provider each time', async () => {
    const wish = { kind: 'fastest', candidates: [] } as const;
    const [first, second] = [await open(wish), await open(wish)];
    assert.deepEqual([first.openings, second.openings], [1, 0]);
    assert.equal(second.model, first.model);
    for (const { chosen } of [first, second]) assert.deepEqual(chosen, { provider: 'cpu', passedOver: [] });
  });

  it('stays on CPU where the provider that may be tried does not run it, and says why', async () => {
    const { model, chosen } = await open({ kind: 'fastest', candidates: ['coreml', 'dml'] });
    assert.equal(chosen?.provider, 'cpu');
    assert.equal(chosen.passedOver.length, 2);
    assert.match(chosen.passedOver[1] ?? '', /^dml is passed over for this model: .{20}/u);
    assert.equal(await writes(model), 1536);
  });

  it('runs on CPU where the provider that is asked for does not run it, and says why', async () => {
    const { model, chosen } = await open({ kind: 'asked', provider: 'dml' });
    assert.equal(chosen?.provider, 'cpu');
    assert.match(chosen.passedOver.join(), /^dml is passed over for this model: .*does not carry the provider dml/u);
    assert.equal(await writes(model), 1536);
    assert.deepEqual((await open({ kind: 'asked', provider: 'cpu' })).chosen, { provider: 'cpu', passedOver: [] });
  });

  it('runs on the provider that is asked for, however fast that is', async function () {
    const gpu = softwareGpu();
    if (!gpu) return this.skip();
    const before = Object.keys(gpu).map((name) => [name, process.env[name]] as const);
    Object.assign(process.env, gpu);
    const own = new OpenModels(builtHost(), () => undefined);
    try {
      const { model, chosen } = await open({ kind: 'asked', provider: 'webgpu' }, own);
      assert.deepEqual(chosen, { provider: 'webgpu', passedOver: [] });
      assert.equal(await writes(model), 1536);
    } finally {
      own.dispose();
      for (const [name, value] of before) {
        if (value === undefined) Reflect.deleteProperty(process.env, name);
        else process.env[name] = value;
      }
    }
  });

  it('is opened on no provider where its folder is wrong', async () => {
    const result = await models.model({ path: `${tinyCode}/onnx`, variant: null }, { provider: { kind: 'asked', provider: 'dml' }, memoryBudgetBytes: null }, { onOpening: () => undefined, onHost: () => undefined });
    assert.ok(!result.ok && result.problem.message.length > 20);
  });
});

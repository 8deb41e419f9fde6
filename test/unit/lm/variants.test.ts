// Model folders in float16 and with 4-bit weights, from the folder to text, scores, steering and derivatives: what the
// same weights give in float32, to the format's precision.
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, describe, it } from 'mocha';
import { openDerivatives } from '../../../src/lm/derivatives.ts';
import { generate } from '../../../src/lm/generate.ts';
import type { LanguageModel } from '../../../src/lm/languageModel.ts';
import { folderDecoder, openLanguageModel } from '../../../src/lm/languageModel.ts';
import { scoreContinuations } from '../../../src/lm/score.ts';
import { openDecoder } from '../../../src/lm/session.ts';
import { steerableModel } from '../../../src/lm/steerableModel.ts';
import { steeringInputs } from '../../../src/lm/writableSites.ts';
import { encodeGraph } from '../../../src/onnx/encode.ts';
import type { Graph } from '../../../src/onnx/graph.ts';
import type { HostTensor } from '../../../src/runtime/protocol.ts';
import { Random } from '../../../src/shared/random.ts';
import { greedy } from '../../../src/shared/sampling.ts';
import { sitesOf, wholeModel } from '../../support/decoders.ts';
import { sharedHost } from '../../support/host.ts';
import { halved, quantised, rounded } from '../../support/narrowGraphs.ts';
import { relativeDistance } from '../../support/wholeModels.ts';
import { stories } from './models.ts';

const tinyCode = fileURLToPath(new URL('../../../models/tiny-code', import.meta.url));

interface Source {
  readonly folder: string;
  readonly graph: string;
  readonly prompt: string;
  readonly text: string;
}

const sources: Readonly<Record<string, Source>> = {
  'tiny-code': { folder: tinyCode, graph: 'model.onnx', prompt: 'Task: add two numbers.\n', text: 'def add(a, b):\n    return a + b\n' },
  'stories260k, fused': { folder: stories, graph: 'model_fused_rotemb.onnx', prompt: 'Once upon a time', text: ', there was a little girl named Lily. She loved to play outside in the park.' },
};

interface Format {
  readonly narrow: (graph: Graph) => Graph;
  /** The same weights in float32. */
  readonly wide: (graph: Graph) => Graph;
  readonly op: string;
  /** Nats of a token; float16 has 11 bits for sums over logits of about 10, and for the angles of the positions. */
  readonly nats: number;
  /** Of a gradient, relative. */
  readonly gradient: number;
}

const formats: Readonly<Record<string, Format>> = {
  fp16: { narrow: halved, wide: rounded, op: 'float16', nats: 0.05, gradient: 0.02 },
  q4: { narrow: quantised(false), wide: quantised(true), op: 'MatMulNBits', nats: 1e-3, gradient: 1e-4 },
  q4f16: { narrow: (graph) => halved(quantised(false)(graph)), wide: (graph) => rounded(quantised(true)(graph)), op: 'MatMulNBits', nats: 0.05, gradient: 0.02 },
};

const options = { sampling: greedy, maxTokens: 30, contextLength: 256, endIds: [], stop: [], cache: true };
const float32 = (dims: readonly number[], data: ArrayLike<number>): HostTensor => ({ type: 'float32', dims, data: Float32Array.from(data) });

function assertClose(found: readonly number[], expected: readonly number[], nats: number): void {
  assert.equal(found.length, expected.length);
  const worst = Math.max(...found.map((value, i) => Math.abs(value - (expected[i] ?? Number.NaN))));
  if (process.env['GRADLENS_FIGURES']) console.log(`      ${worst.toExponential(1)} nats`);
  assert.ok(worst <= nats, `off by ${worst} nats`);
}

/** The graph's folder with variants in these formats, and beside each its weights in float32 as the variant `…_wide`. */
function writeFolder({ folder, graph }: Source): string {
  const made = mkdtempSync(path.join(tmpdir(), 'gradlens-variants-'));
  mkdirSync(path.join(made, 'onnx'));
  for (const file of ['config.json', 'generation_config.json', 'tokenizer.json', 'tokenizer_config.json']) {
    if (existsSync(path.join(folder, file))) copyFileSync(path.join(folder, file), path.join(made, file));
  }
  const whole = wholeModel(path.join(folder, 'onnx', graph));
  for (const [name, { narrow, wide }] of Object.entries(formats)) {
    writeFileSync(path.join(made, `onnx/model_${name}.onnx`), encodeGraph(narrow(whole)));
    writeFileSync(path.join(made, `onnx/model_${name}_wide.onnx`), encodeGraph(wide(whole)));
  }
  return made;
}

async function opened(folder: string, variant: string): Promise<LanguageModel> {
  const result = await openLanguageModel(sharedHost(), folder, { variant, session: { threads: 1 } });
  return result.ok ? result.model : assert.fail(result.problem.message);
}

describe('variants of model folders', () => {
  for (const [name, source] of Object.entries(sources)) {
    describe(`of ${name}`, () => {
      let folder = '';
      before(function () {
        if (!existsSync(source.folder)) this.skip();
        folder = writeFolder(source);
      });
      after(() => rmSync(folder, { recursive: true, force: true }));

      for (const [format, { op, nats, gradient }] of Object.entries(formats)) {
        it(`${format}: opens by its name, and is what it says`, async () => {
          const { folder: model } = await opened(folder, format);
          assert.equal(model.variant.name, format);
          assert.deepEqual(model.variants.map((variant) => variant.name).sort(), Object.keys(formats).flatMap((one) => [one, `${one}_wide`]).sort());
          const types = new Set([...model.file.graph.initializers.values()].map(({ type }) => type as string));
          const ops = new Set(model.file.graph.nodes.map((node) => node.op));
          assert.ok(types.has(op) || ops.has(op));
          assert.equal(model.file.graph.outputs.find((output) => output.name === 'logits')?.type, format.endsWith('f16') || format === 'fp16' ? 'float16' : 'float32');
        });

        it(`${format}: scores text as the same weights in float32 do`, async () => {
          const [narrow, wide] = [await opened(folder, format), await opened(folder, `${format}_wide`)];
          const prompt = narrow.tokenizer.encode(source.prompt).ids;
          const items = [{ prompt, continuation: narrow.tokenizer.encode(source.prompt + source.text).ids.slice(prompt.length) }, { prompt: prompt.slice(0, 2), continuation: prompt.slice(2) }];
          const [found, expected] = [await scoreContinuations(narrow.decoder, items), await scoreContinuations(wide.decoder, items)];
          found.forEach(({ perToken }, i) => assertClose(perToken, expected[i]?.perToken ?? [], nats));
        });

        it(`${format}: writes with the cache what it would write without it, each token as likely as float32 finds it`, async () => {
          const [narrow, wide] = [await opened(folder, format), await opened(folder, `${format}_wide`)];
          const prompt = narrow.tokenizer.encode(source.prompt).ids;
          const [cached, uncached] = [await generate(narrow, narrow.tokenizer, prompt, options, new Random(1)), await generate(narrow, narrow.tokenizer, prompt, { ...options, cache: false }, new Random(1))];
          const continuation = cached.tokens.map(({ id }) => id);
          const written = cached.tokens.map(({ logProbability }) => logProbability);
          const [own, exact] = [await scoreContinuations(narrow.decoder, [{ prompt, continuation }]), await scoreContinuations(wide.decoder, [{ prompt, continuation }])];
          assert.equal(continuation.length, options.maxTokens);
          assertClose(written, own[0]?.perToken ?? [], nats);
          assertClose(written, exact[0]?.perToken ?? [], nats);
          // Tokens that are equally likely may change places; what is written before is the same.
          const differing = uncached.tokens.findIndex(({ id }, i) => id !== continuation[i]);
          if (differing >= 0) assertClose([uncached.tokens[differing]?.logProbability ?? Number.NaN], [written[differing] ?? Number.NaN], nats);
          else assert.equal(uncached.text, cached.text);
        });

        it(`${format}: is steered as the same weights in float32 are, and by strength 0 ${format === 'q4' ? 'not at all' : 'no further than it rounds'}`, async () => {
          const logits = async (variant: string, strength: number | null): Promise<Float32Array> => {
            const { folder: model, tokenizer, decoder } = await opened(folder, variant);
            const steerable = steerableModel((edit) => folderDecoder(model, edit), sitesOf(model.file.graph).filter(({ kind }) => kind === 'attn_out' || kind === 'resid_post'));
            const steered = await openDecoder(sharedHost(), { ...steerable.model, rest: undefined, options: { threads: 1 } });
            assert.ok(steered.ok);
            const random = new Random(7);
            const feeds = { [steeringInputs.strength]: float32([1], [strength ?? 0]), [steeringInputs.vectors]: float32([1, steerable.width], Array.from({ length: steerable.width }, () => random.normal())), [steeringInputs.mask]: float32([1, 1, 1], [1]) };
            const pass = { ids: [[...tokenizer.encode(source.prompt).ids]], past: 0, positions: [-1] } as const;
            return (await (strength === null ? decoder.run(pass) : steered.decoder.run({ ...pass, feeds }))).logits.data;
          };
          const [untouched, zero] = [await logits(format, null), await logits(format, 0)];
          // In float16 the runtime computes in float32 and rounds at some of the borders between nodes: more nodes, more borders.
          const bound = format === 'q4' ? 0 : gradient;
          assert.ok(relativeDistance(zero, untouched) <= bound, `strength 0 changes ${relativeDistance(zero, untouched)}`);
          const [found, expected] = [await logits(format, 0.1), await logits(`${format}_wide`, 0.1)];
          assert.ok(relativeDistance(found, untouched) > 2 * gradient);
          assert.ok(relativeDistance(found, expected) < gradient, `off by ${relativeDistance(found, expected)}`);
        });

        it(`${format}: is differentiated as the same weights in float32 are`, async () => {
          const gradients = async (variant: string): Promise<Float32Array> => {
            const { folder: model, tokenizer } = await opened(folder, variant);
            const result = await openDerivatives(model, sharedHost(), { sites: ['embed'], target: 'logProbabilities', session: { threads: 1 } });
            const derivatives = result.ok ? result.derivatives : assert.fail(result.problem.message);
            const ids = tokenizer.encode(source.prompt).ids;
            const found = await derivatives.differentiate({ ids: [ids], outcomes: [{ row: 0, position: ids.length - 1, token: 270 }, { row: 0, position: ids.length - 1, token: 301, weight: -1 }] });
            await derivatives.release();
            return found.gradients.get('embed')?.data as Float32Array;
          };
          const distance = relativeDistance(await gradients(format), await gradients(`${format}_wide`));
          if (process.env['GRADLENS_FIGURES']) console.log(`      gradient ${distance.toExponential(1)}`);
          assert.ok(distance < gradient, `off by ${distance}`);
        });
      }
    });
  }
});

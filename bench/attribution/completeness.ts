// How far the tokens' numbers miss what they explain: 200 prompts of each model, every method and baseline.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { quantile } from '../raspbugs/statistics.ts';
import { documentAt } from '../../scripts/train-models/corpus/documents.ts';
import { generate } from '../../src/lm/generate.ts';
import type { LanguageModel } from '../../src/lm/languageModel.ts';
import { openLanguageModel } from '../../src/lm/languageModel.ts';
import type { ModelHost } from '../../src/runtime/client.ts';
import { Random } from '../../src/shared/random.ts';
import type { AttributionRequest } from '../../src/steering/attribution.ts';
import { openAttributor } from '../../src/steering/attribution.ts';
import type { Baseline } from '../../src/steering/baseline.ts';
import { likeliestResponses } from '../../src/steering/likeliest.ts';
import { promptTokens } from '../../src/steering/promptTokens.ts';

export interface CompletenessRow {
  readonly model: string;
  readonly method: string;
  readonly baseline: Baseline;
  readonly prompts: number;
  /** Relative errors: median, 90 %, largest. */
  readonly median: number;
  readonly high: number;
  readonly most: number;
  /** Prompts whose error is under 1 %, and under 5 %. */
  readonly underOne: number;
  readonly underFive: number;
  /** Gradients for one prompt, median and largest. */
  readonly gradients: number;
  readonly mostGradients: number;
}

const ways: Readonly<Record<string, Partial<AttributionRequest>>> = {
  'ig, 20 steps': {},
  'ig, refined to 1 %': { refine: {} },
  'idgi, 20 steps': { method: 'idgi' },
  'smoothgrad, 20 samples': { method: 'smoothgrad' },
  'gradient × embedding': { method: 'gradxact' },
};
const baselines: readonly Baseline[] = ['zero', 'pad', 'mean'];

const stories = fileURLToPath(new URL('../../../shared/models/stories260k', import.meta.url));
const tinyCode = fileURLToPath(new URL('../../models/tiny-code', import.meta.url));

export async function completeness(host: ModelHost, count: number, seed: number): Promise<readonly CompletenessRow[]> {
  const rows: CompletenessRow[] = [];
  for (const [name, location, prompts] of [['tiny-code', tinyCode, codePrompts], ['stories260k', stories, storyPrompts]] as const) {
    if (!existsSync(location)) {
      console.error(`${name} is not beside the project and is left out.`);
      continue;
    }
    const opened = await openLanguageModel(host, location, { session: { provider: 'cpu', threads: 1 } });
    if (!opened.ok) throw new Error(opened.problem.message);
    const texts = await prompts(opened.model, count, seed);
    await opened.model.decoder.release();
    rows.push(...(await ofModel(host, name, opened.model, texts)));
  }
  return rows;
}

/** Held-out documents up to a value that they decide. */
function codePrompts(_model: LanguageModel, count: number, seed: number): Promise<readonly string[]> {
  const texts: string[] = [];
  for (let i = 0; texts.length < count; i++) {
    const { pieces } = documentAt(seed, i, 'held-out');
    const decided = pieces.flatMap(({ role }, at) => (role === 'decided' && at > 0 ? [at] : []));
    const [at] = decided;
    const text = pieces.slice(0, at ?? 0).map((piece) => piece.text).join('');
    if (text !== '' && text.length < 300) texts.push(text);
  }
  return Promise.resolve(texts);
}

/** Beginnings of stories that the model writes. */
async function storyPrompts({ decoder, tokenizer, folder }: LanguageModel, count: number, seed: number): Promise<readonly string[]> {
  const random = new Random(seed);
  const { ids } = tokenizer.encode('Once upon a time');
  const texts: string[] = [];
  while (texts.length < count) {
    const { text } = await generate({ decoder }, tokenizer, ids, { sampling: { temperature: 1, topK: 0, topP: 0.95, minP: 0, repetitionPenalty: 1 }, maxTokens: 120, contextLength: folder.sizes.context, endIds: folder.tokens.eos, stop: [], cache: true }, random);
    const words = `Once upon a time${text}`.split(' ');
    for (let i = 0; i < 10 && texts.length < count; i++) {
      const start = random.integer(0, Math.max(0, words.length - 30));
      texts.push(words.slice(start, start + random.integer(5, 30)).join(' '));
    }
  }
  return texts;
}

async function ofModel(host: ModelHost, model: string, { folder, tokenizer }: LanguageModel, texts: readonly string[]): Promise<readonly CompletenessRow[]> {
  const opened = await openAttributor(folder, host, { session: { provider: 'cpu', threads: 1 } });
  if (!opened.ok) throw new Error(opened.problem.message);
  const { attributor } = opened;
  const asked: AttributionRequest[] = [];
  for (const text of texts) {
    const { ids, special } = promptTokens({ tokenizer, folder, text });
    const [preferred = [], dispreferred = []] = await likeliestResponses(attributor, { prompt: ids });
    asked.push({ prompt: ids, fixed: special, preferred, dispreferred });
  }
  const rows: CompletenessRow[] = [];
  for (const baseline of baselines) {
    for (const [method, more] of Object.entries(ways)) {
      const errors: number[] = [];
      const gradients: number[] = [];
      for (const request of asked) {
        const { completeness: { relative }, spent } = await attributor.attribute({ ...request, ...more, baseline });
        errors.push(relative);
        gradients.push(spent.points);
      }
      const under = (limit: number): number => errors.filter((error) => error < limit).length;
      rows.push({ model, method, baseline, prompts: errors.length, median: quantile(errors, 0.5), high: quantile(errors, 0.9), most: Math.max(...errors), underOne: under(0.01), underFive: under(0.05), gradients: quantile(gradients, 0.5), mostGradients: Math.max(...gradients) });
      console.error(`${model}, ${baseline}, ${method}: median ${rows.at(-1)?.median.toExponential(1)}`);
    }
  }
  await attributor.release();
  return rows;
}

// All methods in one setting: the same pairs, the same validation items, the same test items.
import type { MadeStates, Method } from './methods.ts';
import { madeStates, methods } from './methods.ts';
import type { MethodResult, Outcome, SteerItem } from './protocol.ts';
import { MeasuredItems, measureMethod } from './protocol.ts';
import type { Count, SteerRow } from './report.ts';
import type { ResultStore } from './store.ts';
import { generate } from '../../src/lm/generate.ts';
import type { ModelFolder } from '../../src/lm/folder.ts';
import { folderDecoder } from '../../src/lm/languageModel.ts';
import { scoreContinuations } from '../../src/lm/score.ts';
import { openDecoder } from '../../src/lm/session.ts';
import type { Tokenizer } from '../../src/lm/tokenizer.ts';
import type { ModelHost } from '../../src/runtime/client.ts';
import { Random } from '../../src/shared/random.ts';
import { greedy } from '../../src/shared/sampling.ts';
import type { AppliedVector } from '../../src/steering/steering.ts';
import { SteeredModel } from '../../src/steering/steering.ts';
import type { TokenPair } from '../../src/steering/tokenPairs.ts';
import { maskToken } from '../../src/steering/tokenPairs.ts';

export interface SteerSetting {
  readonly part: string;
  readonly setting: string;
  /** What the items were drawn with: rows of another key are measured again. */
  readonly key: string;
  readonly folder: ModelFolder;
  readonly tokenizer: Tokenizer;
  readonly pairs: readonly TokenPair[];
  readonly validation: readonly SteerItem[];
  readonly test: readonly SteerItem[];
  readonly strengths: readonly number[];
  /** Names of the methods; all if absent. */
  readonly methods?: readonly string[];
  readonly figures: (outcomes: readonly Outcome[], items: readonly SteerItem[]) => Readonly<Record<string, Count>>;
  /** Rules that need no model: right answers by the name of the rule. */
  readonly rules?: Readonly<Record<string, { readonly about: string; readonly test: Readonly<Record<string, Count>> }>>;
  readonly seed: number;
}

export interface Run {
  readonly host: ModelHost;
  readonly store: ResultStore;
  /** Nothing new is begun after it, milliseconds of `performance.now`. */
  readonly deadline: number;
  readonly log: (text: string) => void;
}

const session = { provider: 'cpu', threads: 1 } as const;
/** Test items that are continued, and the tokens of each. */
const CONTINUED = 60;
const CONTINUED_TOKENS = 12;

/** @returns the methods that the time did not suffice for */
export async function runSetting(setting: SteerSetting, run: Run): Promise<readonly string[]> {
  const { store } = run;
  const wanted = methods.filter(({ name }) => setting.methods?.includes(name) ?? true);
  const missing = wanted.filter(({ name }) => !store.has({ ...identity(setting), method: name }));
  const left = missing.length === 0 ? [] : await measured(setting, missing, run);
  for (const [method, { about, test }] of Object.entries(setting.rules ?? {})) store.add({ ...identity(setting), method, about, layers: [], strength: 0, validation: null, test, margin: null, nll: null });
  return left.map(({ name }) => name);
}

async function measured(setting: SteerSetting, missing: readonly Method[], run: Run): Promise<readonly Method[]> {
  if (performance.now() >= run.deadline) return missing;
  const opened = await SteeredModel.open(run.host, setting.folder, { session });
  if (!opened.ok) throw new Error(opened.message);
  const model = opened.steered;
  const mask = maskToken(setting.tokenizer, setting.folder);
  if (mask === null) throw new Error(`${setting.folder.name} has no token that hides others`);
  const states = missing.some(({ directions }) => directions) ? await madeStates(run.host, setting.folder, setting.pairs, { mask, seed: setting.seed, refined: missing.some(({ refined }) => refined) }) : null;
  if (states) run.log(`${setting.setting}: states of ${setting.pairs.length} pairs; attributions off by more than 5 %: ${states.attributed.zero.incomplete ?? 0} from zero${states.attributed.mean === states.attributed.zero ? '' : `, ${states.attributed.mean.incomplete ?? 0} refined`}`);
  const [validation, test] = [new MeasuredItems(model, setting.validation), new MeasuredItems(model, setting.test)];
  const left = [...missing];
  try {
    while (left.length > 0 && performance.now() < run.deadline) {
      const method = left.shift();
      if (!method) break;
      const directions = directionsOf(method, states);
      const result = await measureMethod(method, directions, { model, validation, test, strengths: setting.strengths });
      const row = rowOf(setting, result, await continuationNll(setting, model, result.applied, run.host));
      run.store.add(row);
      run.log(rowText(row));
    }
  } finally {
    await validation.release();
    await test.release();
    await model.release();
  }
  return left;
}

const identity = ({ part, setting, key }: SteerSetting): Pick<SteerRow, 'part' | 'setting' | 'key'> => ({ part, setting, key });

const directionsOf = ({ directions }: Method, states: MadeStates | null) => (directions && states ? directions(states).layers : []);

function rowOf(setting: SteerSetting, { method, search: { best, unsteered }, outcomes }: MethodResult, nll: number): SteerRow {
  return {
    ...identity(setting), method: method.name, about: method.about,
    layers: best.layers, strength: best.strength,
    validation: { unsteered: unsteered.rate, best: best.rate },
    test: setting.figures(outcomes, setting.test),
    margin: outcomes.reduce((sum, { margin }) => sum + margin, 0) / outcomes.length,
    nll,
  };
}

export const rowText = ({ setting, method, layers, strength, validation, test, nll }: SteerRow): string =>
  `${setting}, ${method}: layers ${layers.join(' ') || '–'}, α ${strength}, validation ${validation ? `${(100 * validation.unsteered).toFixed(1)} → ${(100 * validation.best).toFixed(1)} %` : '–'}; ${Object.entries(test).map(([name, { hits, items }]) => `${name} ${((100 * hits) / items).toFixed(1)} %`).join(', ')}; NLL ${nll?.toFixed(3) ?? '–'}`;

/** −log p a token, under the model as it is, of what it greedily writes when it is steered. */
async function continuationNll({ folder, tokenizer, test }: SteerSetting, model: SteeredModel, applied: readonly AppliedVector[], host: ModelHost): Promise<number> {
  const plain = await openDecoder(host, { ...folderDecoder(folder), options: session });
  if (!plain.ok) throw new Error(plain.fault.message);
  const options = { sampling: greedy, maxTokens: CONTINUED_TOKENS, contextLength: folder.sizes.context, endIds: folder.tokens.eos, stop: [], cache: true };
  const items = [];
  for (const { prompt, embeddings = [] } of test.slice(0, CONTINUED)) {
    const { tokens } = await generate(model.source({ applied, promptLength: prompt.length, embeddings }), tokenizer, prompt, options, new Random(1));
    items.push({ prompt, embeddings, continuation: tokens.map(({ id }) => id) });
  }
  const scores = await scoreContinuations(plain.decoder, items);
  await plain.decoder.release();
  const tokens = scores.flatMap(({ perToken }) => perToken);
  return -tokens.reduce((sum, value) => sum + value, 0) / tokens.length;
}

/** Two ways to count right answers. */
export const answerFigures = (outcomes: readonly Outcome[]): Readonly<Record<string, Count>> => ({
  'over the tempting one': { hits: outcomes.filter(({ overTempting }) => overTempting).length, items: outcomes.length },
  'over all answers': { hits: outcomes.filter(({ overAll }) => overAll).length, items: outcomes.length },
});

// The protocol of every part: vectors from the build items, layers and strength from the validation items, figures on the test items.
import type { Method } from './methods.ts';
import type { LanguageModel } from '../../src/lm/languageModel.ts';
import type { ScoreItem } from '../../src/lm/score.ts';
import type { EmbeddingRows } from '../../src/lm/session.ts';
import type { SearchResult, SettingFigures } from '../../src/steering/search.ts';
import { layerRanges, searchSetting, settingsOf } from '../../src/steering/search.ts';
import { PreparedItems } from '../../src/steering/steeredScores.ts';
import type { AppliedVector, SteeredModel } from '../../src/steering/steering.ts';
import type { LayerDirection } from '../../src/steering/steeringVector.ts';

/** A question with its possible answers, in tokens: the right one first, the tempting one second. */
export interface SteerItem {
  readonly prompt: readonly number[];
  readonly embeddings?: readonly EmbeddingRows[];
  readonly answers: readonly (readonly number[])[];
  /** Items of one group weigh as much as those of another; one group if absent. */
  readonly group?: string;
}

export interface Outcome {
  /** Is the right answer likelier than the tempting one? */
  readonly overTempting: boolean;
  /** … than each of the others? */
  readonly overAll: boolean;
  /** log p(right) − log Σ p(others), nats. */
  readonly margin: number;
  /** log p(right), nats. */
  readonly likelihood: number;
}

/** Items ready to be measured under many settings. Release them. */
export class MeasuredItems {
  private readonly prepared: PreparedItems;

  constructor(private readonly model: SteeredModel, readonly items: readonly SteerItem[]) {
    this.prepared = new PreparedItems(model, items.flatMap(({ prompt, embeddings, answers }): ScoreItem[] => answers.map((continuation) => ({ prompt, continuation, ...(embeddings ? { embeddings } : {}) }))));
  }

  async outcomes(applied: readonly AppliedVector[]): Promise<readonly Outcome[]> {
    const scores = await this.prepared.score(this.model.amounts(applied));
    let at = 0;
    return this.items.map(({ answers }) => outcomeOf(scores.slice(at, (at += answers.length)).map(({ logProbability }) => logProbability)));
  }

  /** Groups weigh alike; where there are none, `overAll` decides. */
  async figures(applied: readonly AppliedVector[]): Promise<SettingFigures> {
    const outcomes = await this.outcomes(applied);
    const groups = [...new Set(this.items.map(({ group = '' }) => group))].map((name) => outcomes.filter((_, i) => (this.items[i]?.group ?? '') === name));
    const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
    const over = (of: (outcome: Outcome) => number): number => mean(groups.map((group) => mean(group.map(of))));
    return { rate: over(({ overAll }) => Number(overAll)), margin: over(({ margin }) => margin), likelihood: over(({ likelihood }) => likelihood) };
  }

  release(): Promise<void> {
    return this.prepared.release();
  }
}

function outcomeOf([right = Number.NaN, ...others]: readonly number[]): Outcome {
  const largest = Math.max(...others);
  const rest = largest + Math.log(others.reduce((sum, value) => sum + Math.exp(value - largest), 0));
  return { overTempting: right > (others[0] ?? Number.NaN), overAll: right > largest, margin: right - rest, likelihood: right };
}

export interface MethodResult {
  readonly method: Method;
  readonly search: Pick<SearchResult, 'best' | 'unsteered'>;
  readonly outcomes: readonly Outcome[];
  readonly applied: readonly AppliedVector[];
}

/** Chooses on the validation items alone; the test items are looked at once. */
export async function measureMethod(method: Method, directions: readonly LayerDirection[], { model, validation, test, strengths }: { readonly model: SteeredModel; readonly validation: MeasuredItems; readonly test: MeasuredItems; readonly strengths: readonly number[] }): Promise<MethodResult> {
  const appliedAt = ({ layers, strength }: { readonly layers: readonly number[]; readonly strength: number }): readonly AppliedVector[] => (strength === 0 ? [] : [{ vector: { layers: directions }, strength, layers }]);
  const ranges = layerRanges(model.stream.layers).filter((range) => range.every((layer) => directions.some((own) => own.layer === layer)));
  const { best, unsteered } = await searchSetting(settingsOf(directions.length === 0 ? [] : ranges, strengths), (setting) => validation.figures(appliedAt(setting)));
  const applied = appliedAt(best);
  return { method, search: { best, unsteered }, outcomes: await test.outcomes(applied), applied };
}

export type Model = Pick<LanguageModel, 'folder' | 'tokenizer'>;

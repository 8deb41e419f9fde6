// Gradient-guided beam search over symbolic forms: the gradient proposes, exact evaluation disposes.
import type { Batch, BatchScore, BatchState, Override } from './batch.ts';
import type { OpGroup } from './forms.ts';
import { overrideOf } from './forms.ts';
import type { GradientRanking, Ranking } from './gradient.ts';
import type { Move, PlainMove } from './pairs.ts';
import { behaviourOf, isSymbol, pairsOf, plainMoves, rankedPairs, upstreamFirst } from './pairs.ts';
import { Probe } from './probe.ts';
import type { Node } from '../rasp/program.ts';
import type { CancellationToken } from '../shared/cancellation.ts';
import { interruptAndCheck } from '../shared/cancellation.ts';

export interface SearchWidth {
  /** Forms tried per op and state, best promised gain first. */
  readonly perOp: number;
  readonly beams: number;
  readonly depth: number;
  /** Beams that may share one set of changed ops. */
  readonly perSet: number;
  /** Pairs of plain changes tried at once, from the program as written and wherever a level brings no rise; default 0. */
  readonly pairs?: number;
}

export interface SearchSettings extends SearchWidth {
  /** `performance.now()` at which to stop. */
  readonly deadline: number;
  /** Solutions after which to stop. */
  readonly enough: number;
  /** Candidates after which to stop; default: no limit. */
  readonly evaluations?: number;
}

/** A choice of one form per op group. */
export interface Candidate {
  readonly choice: readonly number[];
  readonly score: BatchScore;
  readonly value: number;
  readonly state: BatchState;
}

export interface SearchEvents {
  /** After each level, and when a better candidate is found (the loss is NaN then). */
  onProgress(best: Candidate, loss: number): void;
  /** Once, with the ranking at the program as written. */
  onRanking(first: Ranking): void;
  /** The last word on a candidate that is right on the whole batch. */
  accept(candidate: Candidate): boolean;
}

export interface SearchOutcome {
  /** Exactly right on every input of the batch, found in this order. */
  readonly solutions: readonly Candidate[];
  readonly best: Candidate;
  /** The best of each behaviour that a beam had, best first: where another search may start. */
  readonly beams: readonly Candidate[];
  readonly evaluations: number;
  /** Candidates up to the first solution; null without one. */
  readonly firstSolutionAt: number | null;
  /** It ended early: candidates that are right on the whole batch are wrong elsewhere, and it needs other examples. */
  readonly outgrown: boolean;
  /** Per op group: the best rise of `value` that one change of it alone brought about, 0 if none. */
  readonly rises: Float64Array;
}

/** Candidates tried on after the first solution, for others beside it, and to look for plainer ones. */
const AFTERWARDS = 1000;
const SIMPLIFYING = 3000;

/** Candidates right on the whole batch and yet refused, after which another batch is needed. */
const REFUSALS = 2;

/** Weight of wrong-but-informative output, and the price of each changed op. */
const INFORMATION = 0.5;
const CHANGE = 0.02;

export class FormSearch {
  private evaluations = 0;
  private refused = 0;
  /** Candidates up to the first solution. */
  private firstSolutionAt = Number.POSITIVE_INFINITY;
  private readonly solutions: Candidate[] = [];
  private readonly seen = new Set<string>();
  private best: Candidate;
  readonly origin: Candidate;
  private readonly rises: Float64Array;
  private readonly kept = new Map<string, Candidate>();
  private readonly paired = new Set<Candidate>();

  constructor(
    private readonly batch: Batch,
    private readonly groups: readonly OpGroup[],
    private readonly ranking: Pick<GradientRanking, 'rank'>,
    private readonly settings: SearchSettings,
    private readonly token: CancellationToken,
    private readonly events: SearchEvents,
  ) {
    const state = batch.evaluate();
    this.origin = this.candidate(groups.map(() => 0), state);
    this.best = this.origin;
    this.rises = new Float64Array(groups.length);
  }

  async run(): Promise<SearchOutcome> {
    const first = await this.ranking.rank(this.origin.choice);
    this.events.onRanking(first);
    let beams: Candidate[] = [this.origin];
    for (let level = 1; level <= this.settings.depth && !this.finished(); level++) {
      const restart = level > 1 && (level - 1) % 3 === 0;
      const perOp = restart ? this.settings.perOp * 3 : this.settings.perOp;
      const sources = restart ? [this.origin, ...beams] : beams;
      const before = this.best.value;
      const found = await this.level(sources, perOp, first);
      if (level === 1) found.push(...(await this.plainPairs(this.origin, first)));
      else if (this.best.value <= before) found.push(...(await this.plainPairs(this.best)));
      beams = this.select(found);
      if (beams.length === 0) break;
    }
    const limit = this.evaluations + SIMPLIFYING;
    for (const solution of [...this.solutions]) await this.simplify(solution, first, limit);
    const kept = [...this.kept.values()].sort((a, b) => b.value - a.value);
    return { solutions: this.solutions, best: this.best, beams: kept, evaluations: this.evaluations, firstSolutionAt: Number.isFinite(this.firstSolutionAt) ? this.firstSolutionAt : null, outgrown: this.isOutgrown(), rises: this.rises };
  }

  private finished(): boolean {
    const { enough, evaluations = Number.POSITIVE_INFINITY, deadline } = this.settings;
    const most = Math.min(evaluations, this.firstSolutionAt + AFTERWARDS);
    return this.solutions.length >= enough || this.isOutgrown() || this.evaluations >= most || performance.now() > deadline;
  }

  private isOutgrown(): boolean {
    return this.solutions.length === 0 && this.refused >= REFUSALS;
  }

  private async level(sources: readonly Candidate[], perOp: number, first: Ranking): Promise<Candidate[]> {
    const found: Candidate[] = [];
    let loss = first.loss;
    for (const source of sources) {
      if (this.finished()) break;
      const ranking = source === this.origin ? first : await this.ranking.rank(source.choice);
      loss = Math.min(loss, ranking.loss);
      for (const [group, form] of this.moves(source, ranking, perOp)) {
        if (this.finished()) break;
        await interruptAndCheck(this.token);
        const candidate = this.evaluate(source, [[group, form]]);
        if (candidate) found.push(candidate);
      }
      found.push(...(await this.tryPairs(source, this.removals(source))));
    }
    this.events.onProgress(this.best, loss);
    return found;
  }

  /** The moves of a state, best promised gain first over all ops. */
  private moves(source: Candidate, ranking: Ranking, perOp: number): Move[] {
    const moves: { group: number; form: number; gain: number }[] = [];
    this.groups.forEach((group, g) => {
      const gains = ranking.gains[g];
      group.forms
        .map((form, f) => ({ group: g, form: f, gain: (gains?.[f] ?? 0) - 1e-6 * form.cost }))
        .filter(({ form }) => form !== source.choice[g])
        .sort((a, b) => b.gain - a.gain)
        .slice(0, perOp)
        .forEach((move) => moves.push(move));
    });
    return moves.sort((a, b) => b.gain - a.gain).map(({ group, form }) => [group, form]);
  }

  /**
   * Two ops taken away at once: where both sides of a comparison are wrapped alike, taking one away alone makes the
   * program fail, so that no single step leads there.
   */
  private removals(source: Candidate): [Move, Move][] {
    const removable = this.groups.flatMap(({ forms }, g): Move[] => {
      const form = forms.findIndex(({ changes }) => changes.some(({ kind }) => kind === 'only'));
      return form > 0 && source.choice[g] === 0 ? [[g, form]] : [];
    });
    return pairsOf(removable);
  }

  /** Pairs of plain changes at once, once from each program. Changes that do nothing there, or what a plainer one does, are left out. */
  private async plainPairs(source: Candidate, known?: Ranking): Promise<Candidate[]> {
    const { pairs = 0 } = this.settings;
    if (pairs === 0 || this.solutions.length > 0 || this.paired.has(source)) return [];
    this.paired.add(source);
    const ranking = known ?? (await this.ranking.rank(source.choice));
    const singles = new Map((await this.singles(source, ranking)).map((single) => [single.plain.move, single]));
    const probe = Probe.of(this.batch, source.state);
    const inOrder = upstreamFirst(this.batch, this.groups);
    const found: Candidate[] = [];
    for (const pair of rankedPairs([...singles.values()].map(({ plain }) => plain), pairs)) {
      if (this.finished()) return found;
      await interruptAndCheck(this.token);
      const [first, second] = inOrder(pair);
      const from = singles.get(first)?.candidate;
      const both = from && overridesOf(this.groups, from.choice.with(second[0], second[1]));
      if (!from || !both) continue;
      this.evaluations++;
      if (!probe.gains(from.state.overrides, both)) continue;
      const candidate = this.evaluate(from, [second]);
      if (candidate) found.push(candidate);
    }
    return found;
  }

  private async singles(source: Candidate, ranking: Ranking): Promise<{ plain: PlainMove; candidate: Candidate }[]> {
    const seen = new Set(this.groups.map((group, g) => `${g}:${behaviourOf(group, source.state, source.state)}`));
    const singles: { plain: PlainMove; candidate: Candidate }[] = [];
    for (const plain of plainMoves(this.groups, ranking, source.choice)) {
      if (this.finished()) break;
      await interruptAndCheck(this.token);
      const [g, form] = plain.move;
      const choice = source.choice.with(g, form);
      const overrides = overridesOf(this.groups, choice);
      const group = this.groups[g];
      if (!overrides || !group) continue;
      this.evaluations++;
      const candidate = this.candidate(choice, this.batch.evaluate(overrides, source.state));
      const behaviour = `${g}:${behaviourOf(group, candidate.state, source.state) ?? choice.join()}`;
      if (seen.has(behaviour)) continue;
      seen.add(behaviour);
      singles.push({ plain, candidate });
    }
    return singles;
  }

  /**
   * Looks for plainer solutions around one: two of its changes for one other, or one for a plainer one, as long as that
   * succeeds.
   */
  private async simplify(solution: Candidate, first: Ranking, limit: number): Promise<void> {
    const plain = plainMoves(this.groups, first, this.origin.choice).sort((a, b) => a.rank - b.rank).map(({ move }) => move);
    for (let best: Candidate | null = solution; best; ) {
      const from: Candidate = best;
      best = null;
      for (const reverted of this.reversions(from, plain)) {
        for (const move of plain) {
          if (this.evaluations >= limit || performance.now() > this.settings.deadline) return;
          await interruptAndCheck(this.token);
          const known = this.solutions.length;
          this.evaluate(from, [...reverted, move]);
          const found = this.solutions[known];
          if (found && this.weight(found) < this.weight(best ?? from)) best = found;
        }
        if (best) break;
      }
    }
  }

  /**
   * What to change back before another change is tried: pairs of changes, those that are not plain, and then one change
   * while another that is not plain becomes so.
   */
  private reversions({ choice }: Candidate, plain: readonly Move[]): Move[][] {
    const changed = choice.flatMap((form, g): Move[] => (form === 0 ? [] : [[g, 0]]));
    const costly = changed.filter(([g]) => !isSymbol(this.groups, g, choice[g] ?? 0));
    const eased = costly.flatMap(([g]) =>
      plain
        .filter(([group, form]) => group === g && isSymbol(this.groups, g, form))
        .flatMap((easing) => changed.filter(([other]) => other !== g).map((back) => [back, easing])),
    );
    return [...pairsOf(changed), ...costly.map((move) => [move]), ...eased];
  }

  /** What a plainer solution has less of: changes, then their cost. */
  private weight({ choice }: Candidate): number {
    return choice.reduce((sum, f, g) => sum + (f === 0 ? 0 : 100 + (this.groups[g]?.forms[f]?.cost ?? 0)), 0);
  }

  private async tryPairs(source: Candidate, pairs: readonly (readonly [Move, Move])[]): Promise<Candidate[]> {
    const found: Candidate[] = [];
    for (const pair of pairs) {
      if (this.finished()) return found;
      await interruptAndCheck(this.token);
      const candidate = this.evaluate(source, pair);
      if (candidate) found.push(candidate);
    }
    return found;
  }

  private evaluate(source: Candidate, moves: readonly Move[]): Candidate | null {
    const choice = [...source.choice];
    for (const [group, form] of moves) choice[group] = form;
    const key = choice.join();
    if (this.seen.has(key)) return null;
    this.seen.add(key);
    const overrides = overridesOf(this.groups, choice);
    if (!overrides) return null;
    this.evaluations++;
    const state = this.batch.evaluate(overrides, source.state);
    const candidate = this.candidate(choice, state);
    const [only] = moves;
    if (source === this.origin && only && moves.length === 1) this.rises[only[0]] = Math.max(this.rises[only[0]] ?? 0, candidate.value - source.value);
    if (candidate.score.sequences === 1) {
      if (this.events.accept(candidate)) {
        this.solutions.push(candidate);
        this.firstSolutionAt = Math.min(this.firstSolutionAt, this.evaluations);
      } else {
        this.refused++;
      }
    }
    if (candidate.value > this.best.value) {
      this.best = candidate;
      this.events.onProgress(candidate, Number.NaN);
    }
    return candidate;
  }

  private candidate(choice: readonly number[], state: BatchState): Candidate {
    const score = this.batch.score(state);
    const changed = choice.filter((f) => f !== 0).length;
    const cost = choice.reduce((sum, f, g) => sum + (this.groups[g]?.forms[f]?.cost ?? 0), 0);
    const value = score.sequences + score.tokens + INFORMATION * score.information - CHANGE * changed - 0.002 * cost;
    return { choice, score, value, state };
  }

  /** The next beams: best first; at most a few per set of changed ops, each with a behaviour of its own. */
  private select(found: readonly Candidate[]): Candidate[] {
    const beams: Candidate[] = [];
    const behaviours = new Set<string>();
    const sets = new Map<string, number>();
    for (const candidate of [...found].sort((a, b) => b.value - a.value)) {
      if (beams.length >= this.settings.beams) break;
      const set = candidate.choice.flatMap((f, g) => (f === 0 ? [] : [g])).join();
      const signature = this.batch.signature(candidate.state);
      const behaviour = `${set}|${signature}`;
      if (behaviours.has(behaviour) || (sets.get(set) ?? 0) >= this.settings.perSet) continue;
      behaviours.add(behaviour);
      sets.set(set, (sets.get(set) ?? 0) + 1);
      beams.push(candidate);
      if ((this.kept.get(signature)?.value ?? Number.NEGATIVE_INFINITY) < candidate.value) this.kept.set(signature, candidate);
    }
    return beams;
  }
}

/**
 * What the chosen forms make of their nodes, or null if two of them claim the same node. The same form always gives the
 * same object, so states can share results.
 */
export function overridesOf(groups: readonly OpGroup[], choice: readonly number[]): Map<Node, Override> | null {
  const overrides = new Map<Node, Override>();
  for (let g = 0; g < groups.length; g++) {
    const group = groups[g];
    const form = group?.forms[choice[g] ?? 0];
    if (!group || !form || form.cost === 0) continue;
    for (const node of group.nodes) {
      const override = overrideOf(form, node);
      if (!override) continue;
      if (overrides.has(node)) return null;
      overrides.set(node, override);
    }
  }
  return overrides;
}

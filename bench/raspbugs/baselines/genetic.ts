// Baseline: genetic search over sets of source edits; fitness is the share of examples that come out right.
import { Candidates, overlap } from './edits.ts';
import type { Move } from './edits.ts';
import type { Outcome, RepairTask } from './task.ts';
import { interruptAndCheck, neverCancelled } from '../../../src/shared/cancellation.ts';
import { Random } from '../../../src/shared/random.ts';

/** As published; the rest of the parameters are ours. */
export const GENETIC_BUDGET = 500;
const POPULATION = 40;
const ELITE = 4;
const TOURNAMENT = 3;
const CROSSOVER = 0.5;
/** Children in a row that are not new: the space is used up. */
const STALE = 2000;

interface Individual {
  readonly moves: readonly Move[];
  readonly fitness: number;
}

export async function genetic(task: RepairTask, budget = GENETIC_BUDGET): Promise<Outcome> {
  const candidates = new Candidates(task, budget);
  if (candidates.moves.length > 0) await new Evolution(candidates, new Random(task.seed)).run();
  return candidates.outcome('genetic');
}

class Evolution {
  private population: Individual[] = [];
  private stale = 0;

  constructor(
    private readonly candidates: Candidates,
    private readonly random: Random,
  ) {}

  async run(): Promise<void> {
    this.population = await this.generation(() => this.mutated([]));
    while (!this.done()) {
      const parents = [...this.population].sort(fitterFirst);
      const children = await this.generation(() => this.child(parents));
      this.population = [...parents.slice(0, ELITE), ...children].sort(fitterFirst).slice(0, POPULATION);
    }
  }

  private done(): boolean {
    return this.candidates.finished || this.stale >= STALE;
  }

  /** New individuals, as many as the population holds, or fewer where the search ends. */
  private async generation(make: () => readonly Move[]): Promise<Individual[]> {
    const born: Individual[] = [];
    while (born.length < POPULATION && !this.done()) {
      await interruptAndCheck(neverCancelled);
      const moves = make();
      const fitness = this.candidates.fitness(moves);
      this.stale = fitness === null ? this.stale + 1 : 0;
      if (fitness !== null) born.push({ moves, fitness });
    }
    return born;
  }

  private child(parents: readonly Individual[]): readonly Move[] {
    const one = this.tournament(parents);
    return this.mutated(this.random.next() < CROSSOVER ? this.crossed(one, this.tournament(parents)) : one);
  }

  private tournament(parents: readonly Individual[]): readonly Move[] {
    const drawn = Array.from({ length: TOURNAMENT }, () => this.random.pick(parents));
    return drawn.sort(fitterFirst)[0]?.moves ?? [];
  }

  /** Uniform crossover: each edit of either parent with even odds. */
  private crossed(a: readonly Move[], b: readonly Move[]): readonly Move[] {
    const chosen: Move[] = [];
    for (const move of this.random.shuffle([...new Set([...a, ...b])])) {
      if (this.random.next() < 0.5 && chosen.every((other) => !overlap(move, other))) chosen.push(move);
    }
    return chosen;
  }

  /** One edit more, one fewer, or one exchanged for another. */
  private mutated(moves: readonly Move[]): readonly Move[] {
    const dice = moves.length === 0 ? 0 : this.random.next();
    if (dice < 0.6) return this.grown(moves);
    const dropped = this.random.pick(moves);
    const rest = moves.filter((move) => move !== dropped);
    return dice < 0.8 ? rest : this.grown(rest);
  }

  /** Each kind of edit is as likely as any other, as it was when the bugs were made. */
  private grown(moves: readonly Move[]): readonly Move[] {
    const free = this.candidates.moves.filter((move) => moves.every((other) => !overlap(move, other)));
    if (free.length === 0) return moves;
    const kind = this.random.pick([...new Set(free.map((move) => move.kind))]);
    return [...moves, this.random.pick(free.filter((move) => move.kind === kind))];
  }
}

/** Fewer edits win a tie. */
const fitterFirst = (a: Individual, b: Individual): number => b.fitness - a.fitness || a.moves.length - b.moves.length;

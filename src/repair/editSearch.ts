// Beam search over small edits of the text itself: what no op form can say, such as a loop that runs over nothing.
import { Batch } from './batch.ts';
import type { BatchScore } from './batch.ts';
import { applyEdits } from './rewrite.ts';
import type { Example } from './types.ts';
import type { EditSite, SourceFile } from '../rasp/analyse.ts';
import type { TextEdit } from '../rasp/diagnostic.ts';
import type { Program } from '../rasp/program.ts';
import type { CancellationToken } from '../shared/cancellation.ts';
import { interruptAndCheck } from '../shared/cancellation.ts';

export interface EditSearchSettings {
  readonly beams: number;
  readonly depth: number;
  /** Moves tried per state beyond the first level, most promising single edits first. */
  readonly perState: number;
  readonly deadline: number;
  readonly enough: number;
}

export interface EditCandidate {
  /** Indices into the moves, ascending. */
  readonly moves: readonly number[];
  readonly text: string;
  readonly program: Program;
  readonly score: BatchScore;
  readonly value: number;
  readonly behaviour: string;
}

export interface EditSearchOutcome {
  readonly solutions: readonly EditCandidate[];
  /** Single edits and what follows them, best first: where another search may start. */
  readonly best: readonly EditCandidate[];
  readonly evaluations: number;
}

interface Move {
  readonly edit: TextEdit;
  readonly kind: EditSite['kind'];
}

export interface EditSearchTask {
  readonly source: SourceFile;
  readonly sites: readonly EditSite[];
  readonly examples: readonly Example[];
  /** The program that a text means, or undefined if it has errors. */
  readonly programOf: (text: string) => Program | undefined;
  /** The last word on a candidate that fits the search's examples. */
  readonly accept: (text: string, edits: number) => boolean;
}

export class EditSearch {
  private readonly moves: readonly Move[];
  private readonly promise: Float64Array;
  private readonly seen = new Set<string>();
  private readonly solutions: EditCandidate[] = [];
  private readonly kept: EditCandidate[] = [];
  private evaluations = 0;

  constructor(
    private readonly task: EditSearchTask,
    private readonly settings: EditSearchSettings,
    private readonly token: CancellationToken,
    private readonly onProgress: (best: EditCandidate) => void,
  ) {
    this.moves = task.sites.flatMap(({ span, kind, alternatives }) =>
      alternatives.map((newText) => ({ edit: { span, newText }, kind })),
    );
    this.promise = new Float64Array(this.moves.length).fill(Number.NEGATIVE_INFINITY);
  }

  async run(): Promise<EditSearchOutcome> {
    let beams: { moves: readonly number[] }[] = [{ moves: [] }];
    for (let level = 1; level <= this.settings.depth && !this.finished(); level++) {
      const found: EditCandidate[] = [];
      for (const beam of beams) found.push(...(await this.expand(beam.moves, level)));
      const next = this.select(found);
      if (next[0]) this.onProgress(next[0]);
      this.kept.push(...found.sort((a, b) => b.value - a.value).slice(0, 24));
      beams = next;
      if (beams.length === 0) break;
    }
    const best = [...this.kept].sort((a, b) => b.value - a.value);
    return { solutions: this.solutions, best, evaluations: this.evaluations };
  }

  private finished(): boolean {
    return this.solutions.length >= this.settings.enough || performance.now() > this.settings.deadline;
  }

  private async expand(base: readonly number[], level: number): Promise<EditCandidate[]> {
    const found: EditCandidate[] = [];
    for (const move of this.order(level)) {
      if (this.finished()) break;
      await interruptAndCheck(this.token);
      const moves = [...base, move].sort((a, b) => a - b);
      if (base.includes(move) || this.overlap(base, move)) continue;
      const candidate = this.evaluate(moves);
      if (!candidate) continue;
      if (level === 1) this.promise[move] = candidate.value;
      found.push(candidate);
    }
    return found;
  }

  /** All moves first; later those whose single edit kept the program running, best first. */
  private order(level: number): number[] {
    const all = this.moves.map((_, i) => i);
    if (level === 1) return all;
    const alive = all.filter((i) => (this.promise[i] ?? Number.NEGATIVE_INFINITY) > Number.NEGATIVE_INFINITY);
    return alive.sort((a, b) => (this.promise[b] ?? 0) - (this.promise[a] ?? 0)).slice(0, this.settings.perState);
  }

  private overlap(base: readonly number[], move: number): boolean {
    const span = this.moves[move]?.edit.span;
    return base.some((other) => {
      const taken = this.moves[other]?.edit.span;
      return !!span && !!taken && span.start < taken.end && taken.start < span.end;
    });
  }

  private evaluate(moves: readonly number[]): EditCandidate | null {
    const key = moves.join();
    if (this.seen.has(key)) return null;
    this.seen.add(key);
    this.evaluations++;
    const edits = moves.flatMap((m) => this.moves[m]?.edit ?? []);
    const text = applyEdits(this.task.source.text, edits);
    const program = this.task.programOf(text);
    if (!program) return null;
    const batch = new Batch(program.output, program.dialect, this.task.examples);
    const state = batch.evaluate();
    const score = batch.score(state);
    const value = score.sequences + score.tokens + 0.5 * score.information - 0.02 * moves.length;
    const candidate = { moves, text, program, score, value, behaviour: batch.signature(state) };
    if (score.sequences === 1 && this.task.accept(text, moves.length)) this.solutions.push(candidate);
    return candidate;
  }

  private select(found: readonly EditCandidate[]): EditCandidate[] {
    const behaviours = new Set<string>();
    const beams: EditCandidate[] = [];
    for (const candidate of [...found].sort((a, b) => b.value - a.value)) {
      if (beams.length >= this.settings.beams) break;
      if (behaviours.has(candidate.behaviour)) continue;
      behaviours.add(candidate.behaviour);
      beams.push(candidate);
    }
    return beams;
  }
}

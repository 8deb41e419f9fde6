// Buggy programs for the benchmark: seeded mutants of the six base programs that the interpreter proves wrong.
import type { Mutation, MutationKind } from './mutate.ts';
import { mutationsOf } from './mutate.ts';
import type { BaseProgram } from './programs.ts';
import { basePrograms, fileNameOf, sourceOf } from './programs.ts';
import { Batch } from '../../src/repair/batch.ts';
import type { Example } from '../../src/repair/types.ts';
import { applyEdits } from '../../src/repair/rewrite.ts';
import { programOf } from '../../src/rasp/analyse.ts';
import type { Span } from '../../src/rasp/diagnostic.ts';
import { analyse } from '../../src/rasp/frontend.ts';
import type { Dialect, Program } from '../../src/rasp/program.ts';
import { Random } from '../../src/shared/random.ts';

export interface Bug {
  readonly id: string;
  readonly program: string;
  readonly dialect: Dialect;
  readonly order: number;
  readonly path: string;
  readonly source: string;
  readonly mutations: readonly MutationKind[];
  /** Where the mutations stand in the buggy text. */
  readonly spans: readonly Span[];
  /** Share of random inputs that it gets exactly right. */
  readonly exact: number;
}

export const ORDERS = [1, 2, 3, 4, 5] as const;

/** Share of inputs on which a mutant may fail outright and still count as a program that runs. */
const MAY_FAIL = 0.9;

export function programOfText(path: string, text: string, dialect: Dialect, input: readonly (string | number)[] = []): Program | undefined {
  const analysis = analyse({ path, text }, { dialect, ...(input.length > 0 ? { runningExample: input } : {}) });
  if (analysis.diagnostics.some(({ severity, code }) => severity === 'error' && code !== 'evaluation')) return undefined;
  return programOf(analysis);
}

export function examplesOf(base: BaseProgram, random: Random, count: number): Example[] {
  return Array.from({ length: count }, () => {
    const input = base.sample(random);
    return { input, output: base.reference(input) };
  });
}

/** Makes bugs of one program, syntax and order until asked to stop; every bug differs from all before in its text. */
export class BugSource {
  private readonly mutations: readonly Mutation[];
  private readonly source: string;
  private readonly path: string;
  private readonly checks: readonly Example[];
  private readonly seen = new Set<string>();

  constructor(
    private readonly base: BaseProgram,
    private readonly dialect: Dialect,
    private readonly random: Random,
  ) {
    this.path = fileNameOf(base.name, dialect);
    this.source = sourceOf(base.name, dialect);
    this.mutations = mutationsOf({ path: this.path, text: this.source }, dialect);
    this.checks = examplesOf(base, random, 300);
  }

  /** A new bug of that order, or null after too many tries (small programs have few). */
  next(order: number): Bug | null {
    for (let tries = 0; tries < 400; tries++) {
      const chosen = this.choose(order);
      if (!chosen) continue;
      const text = applyEdits(this.source, chosen);
      if (this.seen.has(text)) continue;
      this.seen.add(text);
      const bug = this.verify(text, chosen, order);
      if (bug) return bug;
    }
    return null;
  }

  private choose(order: number): Mutation[] | null {
    const chosen: Mutation[] = [];
    for (let k = 0; k < order; k++) {
      // Each kind of mistake is as likely as any other, however many places it has.
      const free = this.mutations.filter(({ span }) => chosen.every((c) => span.end <= c.span.start || span.start >= c.span.end));
      if (free.length === 0) return null;
      const kind = this.random.pick([...new Set(free.map((m) => m.kind))]);
      chosen.push(this.random.pick(free.filter((m) => m.kind === kind)));
    }
    return chosen.sort((a, b) => a.span.start - b.span.start);
  }

  private verify(text: string, chosen: readonly Mutation[], order: number): Bug | null {
    const [first] = this.checks;
    const program = programOfText(this.path, text, this.dialect, first?.input as string[]);
    if (!program) return null;
    const batch = new Batch(program.output, this.dialect, this.checks);
    const state = batch.evaluate();
    const { sequences } = batch.score(state);
    const failing = this.checks.filter((_, i) => batch.outputOf(state, i) === null).length;
    if (sequences === 1 || failing > MAY_FAIL * this.checks.length) return null;
    let shift = 0;
    const spans = chosen.map(({ span, newText }) => {
      const start = span.start + shift;
      shift += newText.length - (span.end - span.start);
      return { file: this.path, start, end: start + newText.length };
    });
    const id = `${this.base.name}-${this.dialect}-${order}-${this.seen.size}`;
    return { id, program: this.base.name, dialect: this.dialect, order, path: this.path, source: text, mutations: chosen.map(({ kind }) => kind), spans, exact: sequences };
  }
}

/** Stratified: `perCell` bugs of every program and order, the syntaxes in turn. Exhausted cells stay short. */
export function stratifiedBugs(seed: number, perCell: number, dialects: readonly Dialect[] = ['rasp', 'tracr']): Bug[] {
  return basePrograms.flatMap((base) => {
    const random = new Random(seed);
    const sources = dialects.map((dialect) => new BugSource(base, dialect, random));
    return ORDERS.flatMap((order) =>
      Array.from({ length: perCell }, (_, i) => sources[i % sources.length]?.next(order) ?? null).filter((bug) => bug !== null),
    );
  });
}

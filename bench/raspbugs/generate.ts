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
  /** The mutation operators that were applied, in the order of the text. */
  readonly mutations: readonly MutationKind[];
  /** Where they were applied in the correct text. */
  readonly originals: readonly Span[];
  /** Where what they wrote stands in the buggy text. */
  readonly spans: readonly Span[];
  /** Share of random inputs that it gets exactly right. */
  readonly exact: number;
}

export const ORDERS = [1, 2, 3, 4, 5] as const;

/**
 * Share of inputs on which a mutant's ops may fail and still count as a program that runs. A RASP sequence that mixes
 * types (the 0 of an empty selection among strings) fails in the interpreter but counts as running: it is a usual bug.
 */
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
    return { id, program: this.base.name, dialect: this.dialect, order, path: this.path, source: text, mutations: chosen.map(({ kind }) => kind), originals: chosen.map(({ span }) => span), spans, exact: sequences };
  }
}

/** One source of bugs for each program and syntax, so that no bug is made twice. */
class BugSources {
  private readonly sources: readonly { readonly program: string; readonly dialect: Dialect; readonly bugs: BugSource }[];

  constructor(seed: number, dialects: readonly Dialect[]) {
    this.sources = basePrograms.flatMap((base, b) => {
      const random = new Random(seed + b);
      return dialects.map((dialect) => ({ program: base.name, dialect, bugs: new BugSource(base, dialect, random) }));
    });
  }

  /** Up to `count` new bugs of a program and order, the syntaxes in turn as long as both have some. */
  take(program: string, order: number, count: number): Bug[] {
    let active = this.sources.filter((source) => source.program === program);
    const found: Bug[] = [];
    // Odd orders begin with the other syntax, so that cells of one bug are mixed too.
    for (let turn = order; found.length < count && active.length > 0; turn++) {
      const source = active[turn % active.length];
      const bug = source?.bugs.next(order);
      if (bug) found.push(bug);
      else active = active.filter((other) => other !== source);
    }
    return found;
  }
}

/** Bugs as many as each cell asks for; what a cell lacks, other orders of its program and then other programs give. */
function fill(seed: number, cells: readonly Cell[], dialects: readonly Dialect[]): Sample {
  const sources = new BugSources(seed, dialects);
  const bugs: Bug[] = [];
  const short: ShortCell[] = [];
  for (const cell of cells) {
    const found = sources.take(cell.program, cell.order, cell.count);
    bugs.push(...found);
    if (found.length < cell.count) short.push({ ...cell, found: found.length });
  }
  for (const { program, count, found } of short) {
    const others = [...cells.filter((c) => c.program === program), ...cells.filter((c) => c.program !== program)];
    let missing = count - found;
    // In turns of one, so that the substitutes spread over the orders.
    for (let i = 0, misses = 0; missing > 0 && misses < others.length; i++) {
      const other = others[i % others.length];
      const [bug] = other ? sources.take(other.program, other.order, 1) : [];
      if (bug) bugs.push(bug);
      missing -= bug ? 1 : 0;
      misses = bug ? 0 : misses + 1;
    }
  }
  return { bugs, short };
}

export interface Cell {
  readonly program: string;
  readonly order: number;
  readonly count: number;
}

export interface ShortCell extends Cell {
  /** How many distinct bugs the cell has; the rest of `count` came from other cells. */
  readonly found: number;
}

export interface Sample {
  readonly bugs: readonly Bug[];
  readonly short: readonly ShortCell[];
}

const both: readonly Dialect[] = ['rasp', 'tracr'];

/** Stratified: `perCell` bugs of every program and order, half of them in each syntax. */
export function stratifiedSample(seed: number, perCell: number, dialects = both): Sample {
  return fill(seed, basePrograms.flatMap(({ name: program }) => ORDERS.map((order) => ({ program, order, count: perCell }))), dialects);
}

/** The bugs of `stratifiedSample`. */
export function stratifiedBugs(seed: number, perCell: number, dialects = both): readonly Bug[] {
  return stratifiedSample(seed, perCell, dialects).bugs;
}

/** How many bugs the published benchmark has of each program and of each order; 1,466 either way. */
export const publishedCounts = {
  programs: { hist: 46, reverse: 268, sort: 249, most_freq: 284, shuffle_dyck: 331, shuffle_dyck2: 288 },
  orders: [322, 481, 311, 218, 134],
} as const;

/** As many bugs as the published benchmark has, in its proportions of programs and orders. */
export function wholeBenchmark(seed: number, dialects = both): Sample {
  return fill(seed, wholeCells(), dialects);
}

/** How many bugs of each program and order: as if the two were independent, in whole numbers that add up to both counts. */
export function wholeCells(): Cell[] {
  const total = publishedCounts.orders.reduce<number>((a, b) => a + b, 0);
  const shares = Object.entries(publishedCounts.programs).flatMap(([program, count]) =>
    ORDERS.map((order, k) => ({ program, order, share: (count * (publishedCounts.orders[k] ?? 0)) / total })),
  );
  return roundedToMargins(shares);
}

interface CellShare {
  readonly program: string;
  readonly order: number;
  readonly share: number;
}

/** Each share rounded up or down, largest remainders up, as long as its program and its order still lack some. */
function roundedToMargins(shares: readonly CellShare[]): Cell[] {
  const missing = (of: (cell: CellShare) => boolean): number => Math.round(shares.filter(of).reduce((sum, { share }) => sum + (share % 1), 0));
  const programs = new Map(shares.map(({ program }) => [program, missing((cell) => cell.program === program)]));
  const orders = new Map(shares.map(({ order }) => [order, missing((cell) => cell.order === order)]));
  const raised = new Set<CellShare>();
  for (const cell of [...shares].sort((a, b) => (b.share % 1) - (a.share % 1))) {
    const [left, below] = [programs.get(cell.program) ?? 0, orders.get(cell.order) ?? 0];
    if (left === 0 || below === 0) continue;
    raised.add(cell);
    programs.set(cell.program, left - 1);
    orders.set(cell.order, below - 1);
  }
  return shares.map((cell) => ({ program: cell.program, order: cell.order, count: Math.floor(cell.share) + (raised.has(cell) ? 1 : 0) }));
}

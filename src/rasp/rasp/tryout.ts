// Tries every new s-op on the running example, and where that fails tells a wrong program from a wrong example.
import { Evaluation, EvaluationError } from '../interpret.ts';
import type { Node, Value } from '../program.ts';
import { inputsOf, isSelector } from '../program.ts';

export interface Failure {
  readonly message: string;
  /** It fails whatever the input is made of: letters, digits, numbers. */
  readonly always: boolean;
}

/** Inputs of other kinds than letters, for programs that are not written for letters. */
const probes: readonly (readonly Value[])[] = [
  ['h', 'e', 'l', 'l', 'o'],
  ['1', '2', '0', '3', '1'],
  [1, 2, 0, 3, 1],
  [true, false, true],
];

/** Longer examples are cut: a selector costs the square of its length. */
const longestExample = 64;
/** Cells of sequences and matrices that may be computed in all. */
const workLimit = 20_000_000;

export class Tryout {
  private main: Trial;
  private readonly alternatives: Trial[] = [];
  private readonly probes = probes.map((probe) => new Trial(probe));
  private work = 0;

  constructor(example: readonly Value[]) {
    this.main = new Trial(example.slice(0, longestExample));
  }

  /** The input that is tried now. */
  get example(): readonly Value[] {
    return this.main.input;
  }

  /** What is defined from now on is tried on that example. */
  setExample(example: readonly Value[]): void {
    this.main = new Trial(example.slice(0, longestExample));
  }

  /** While the body runs, success on that input is as good as on the running example. */
  withAlternative<T>(input: readonly Value[], body: () => T): T {
    this.alternatives.push(new Trial(input.slice(0, longestExample)));
    try {
      return body();
    } finally {
      this.alternatives.pop();
    }
  }

  /** Why the node fails; undefined if it works, or fails only because of an input whose failure was told already. */
  failure(node: Node): Failure | undefined {
    if (this.work > workLimit) return undefined;
    this.work += isSelector(node) ? this.main.length ** 2 : this.main.length;
    const error = this.main.run(node);
    if (error === undefined || this.main.told.has(error.node)) return undefined;
    if (this.alternatives.some((trial) => trial.run(node) === undefined)) return undefined;
    this.main.told.add(error.node);
    const always = error.fault === 'type' && this.probes.every((probe) => probe.run(node)?.fault === 'type');
    return { message: error.message, always };
  }
}

/** One input, and the results and failures of the nodes on it. */
class Trial {
  private readonly evaluation: Evaluation;
  private readonly failures = new Map<Node, EvaluationError>();
  /** The nodes whose own failure has been told. */
  readonly told = new Set<Node>();

  constructor(readonly input: readonly Value[]) {
    this.evaluation = new Evaluation('rasp', input);
  }

  get length(): number {
    return this.input.length;
  }

  run(node: Node): EvaluationError | undefined {
    const known = this.failures.get(node);
    if (known !== undefined) return known;
    for (const input of inputsOf(node)) {
      const failed = this.failures.get(input);
      if (failed !== undefined) return this.fail(node, failed);
    }
    try {
      this.evaluation.evaluate(node);
      return undefined;
    } catch (error) {
      if (error instanceof EvaluationError) return this.fail(node, error);
      throw error;
    }
  }

  private fail(node: Node, error: EvaluationError): EvaluationError {
    this.failures.set(node, error);
    return error;
  }
}

// Why a program has no transformer of its own: the op, what is too large or too fine, and what to do about it.
import type { Node } from '../../rasp/program.ts';

/**
 * explosion: an op has too many value combinations; precision: two values are too close for float32; causal: the op
 * needs to see later positions; vocabulary: the vocabulary cannot be encoded.
 */
export type CompileProblemCode = 'explosion' | 'precision' | 'causal' | 'vocabulary';

/** A program that cannot be compiled, as data. */
export interface CompileProblem {
  readonly code: CompileProblemCode;
  /** What is wrong, where, and what to do. */
  readonly message: string;
  readonly node?: Node;
  /** For an explosion: the sizes that multiply, and the most that is allowed. */
  readonly sizes?: readonly number[];
  readonly limit?: number;
}

/** Carries a problem out of the compiler's recursion; never leaves `compileWeights`. */
export class CompileFault extends Error {
  override readonly name = 'CompileFault';
  constructor(readonly problem: CompileProblem) {
    super(problem.message);
  }
}

export function explosion(node: Node, sizes: readonly number[], limit: number): CompileFault {
  // A sum over positions has more combinations than the product of its sizes says.
  const tells = sizes.length > 0 && sizes.reduce((product, size) => product * size, 1) > limit;
  const many = tells ? `${sizes.join(' × ')}, and the limit is ${limit}` : `more than the limit of ${limit}`;
  const message =
    `${nameOf(node)} has too many value combinations to compile: ${many}. ` +
    'Use a smaller vocabulary or a shorter maximal length, or split the op.';
  return new CompileFault({ code: 'explosion', message, node, sizes, limit });
}

/** What to call an op in labels and messages. */
export const nameOf = (node: Node): string => node.name ?? `${node.kind} #${node.id}`;

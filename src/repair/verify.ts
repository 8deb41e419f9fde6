// The last word: programs under the interpreter, and whether the examples make sense at all.
import { sameValue } from './batch.ts';
import type { Example } from './types.ts';
import type { Diagnostic } from '../rasp/diagnostic.ts';
import { EvaluationError, interpret } from '../rasp/interpret.ts';
import type { Program, Value } from '../rasp/program.ts';
import { describe } from '../rasp/scalar.ts';

/** Is the output right at every position? A program that fails on the input is not. */
export function isExact(program: Program, { input, output }: Example): boolean {
  try {
    const actual = interpret(program, input);
    return actual.length === output.length && actual.every((value, i) => sameValue(value, output[i] ?? null));
  } catch (error) {
    if (error instanceof EvaluationError) return false;
    throw error;
  }
}

export function passesAll(program: Program, examples: readonly Example[]): boolean {
  return examples.every((example) => isExact(program, example));
}

/** Share of examples that are exactly right, 0 to 1; 1 of none. */
export function exactShare(program: Program, examples: readonly Example[]): number {
  if (examples.length === 0) return 1;
  return examples.filter((example) => isExact(program, example)).length / examples.length;
}

/** Rows that no program can satisfy, or that say nothing: named, with what to do. */
export function findBadRows(examples: readonly Example[], file: string): Diagnostic[] {
  const rowSpan = (example: Example): Diagnostic['span'] => example.span ?? { file, start: 0, end: 0 };
  if (examples.length === 0) {
    const message = 'There are no examples. Add rows such as “#: [3,1,2] -> [1,2,3]” or a file of examples.';
    return [{ code: 'no-examples', severity: 'error', message, span: { file, start: 0, end: 0 } }];
  }
  const problems: Diagnostic[] = [];
  const first = new Map<string, number>();
  examples.forEach((example, row) => {
    const { input, output } = example;
    if (input.length === 0 || input.length !== output.length) {
      const message =
        input.length === 0
          ? `Example ${row + 1} has an empty input.`
          : `Example ${row + 1} has ${input.length} inputs and ${output.length} outputs; a program gives one output for each input.`;
      problems.push({ code: 'example-length', severity: 'error', message, span: rowSpan(example) });
      return;
    }
    const key = JSON.stringify(input);
    const earlier = first.get(key);
    const before = earlier === undefined ? undefined : examples[earlier];
    if (before === undefined) first.set(key, row);
    else if (before.output.some((value, i) => !sameValue(value, output[i] ?? null))) {
      const message =
        `Examples ${(earlier ?? 0) + 1} and ${row + 1} contradict each other: on the input ${list(input)} one wants ` +
        `${list(before.output)} and the other ${list(output)}. Remove one of them.`;
      problems.push({ code: 'contradictory-examples', severity: 'error', message, span: rowSpan(example) });
    }
  });
  return problems;
}

const list = (values: readonly Value[]): string => `[${values.map(describe).join(', ')}]`;

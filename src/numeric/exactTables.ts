// The table program of a whole vocabulary: equal to the interpreter on every input, not only on the examples.
import type { TableProgram } from './tableProgram.ts';
import { buildTableProgram } from './tableProgram.ts';
import type { Program, Value } from '../rasp/program.ts';
import type { ValueSetExplosion } from '../rasp/valueSets.ts';
import { inferValueSets, isExplosion } from '../rasp/valueSets.ts';

export interface ExactTableOptions {
  readonly vocabulary: readonly Value[];
  readonly maxLength: number;
  readonly causal?: boolean;
  readonly limit?: number;
}

/** The program as op tables over all values it can hold, or the op that has too many. */
export function exactTables(program: Program, options: ExactTableOptions): TableProgram | ValueSetExplosion {
  const inferred = inferValueSets(program.output, options);
  if (isExplosion(inferred)) return inferred;
  return buildTableProgram(program.output, {
    vocabulary: options.vocabulary,
    domains: inferred.sets,
    maxLength: options.maxLength,
    averaging: inferred.averaging,
    wraps: false,
    limit: 4_000_000,
    ...(options.causal ? { causal: true } : {}),
  });
}

/** The most probable value at each position of each input, from the `output` of a table program. */
export function decodeOutputs(program: TableProgram, output: Float32Array, lengths: readonly number[]): (Value | undefined)[][] {
  const width = program.outputValues.length;
  return lengths.map((length, e) =>
    Array.from({ length }, (_, i) => {
      const at = (e * program.maxLength + i) * width;
      const row = output.subarray(at, at + width);
      const best = row.indexOf(Math.max(...row));
      // A failed computation leaves no probability anywhere.
      return (row[best] ?? 0) > 0.5 ? program.outputValues[best] : undefined;
    }),
  );
}


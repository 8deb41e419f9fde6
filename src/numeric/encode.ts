// Examples as the feeds of a table program.
import type { TableProgram } from './tableProgram.ts';
import { valueIndex } from './tableParameter.ts';
import type { Value } from '../rasp/program.ts';
import type { HostTensor } from '../runtime/protocol.ts';

/**
 * One-hot `tokens`, `target`, `lengths` and the `mask` of the positions that exist. Shorter inputs are padded with
 * zeros. Target values unknown to the program have no probability.
 */
export function encodeExamples(
  program: TableProgram,
  examples: readonly { readonly input: readonly Value[]; readonly output?: readonly Value[] }[],
): Record<string, HostTensor> {
  const { maxLength: n, vocabulary, outputValues } = program;
  const count = examples.length;
  const tokens = new Float32Array(count * n * vocabulary.length);
  const target = new Float32Array(count * n * outputValues.length);
  const mask = new Float32Array(count * n);
  const lengths = new Float32Array(count * (n + 1));
  const tokenIndex = indexer(vocabulary);
  const outputIndex = indexer(outputValues);
  examples.forEach(({ input, output }, e) => {
    lengths[e * (n + 1) + input.length] = 1;
    input.forEach((token, i) => {
      const at = e * n + i;
      mask[at] = 1;
      const code = tokenIndex(token);
      if (code >= 0) tokens[at * vocabulary.length + code] = 1;
      const wanted = output ? outputIndex(output[i] ?? null) : -1;
      if (wanted >= 0) target[at * outputValues.length + wanted] = 1;
    });
  });
  return {
    tokens: { type: 'float32', dims: [count, n, vocabulary.length], data: tokens },
    mask: { type: 'float32', dims: [count, n], data: mask },
    lengths: { type: 'float32', dims: [count, 1, n + 1], data: lengths },
    target: { type: 'float32', dims: [count, n, outputValues.length], data: target },
  };
}

function indexer(values: readonly Value[]): (value: Value) => number {
  const known = new Map(values.map((value, i) => [value, i]));
  return (value) => {
    let index = known.get(value);
    if (index === undefined) {
      index = valueIndex(values, value);
      known.set(value, index);
    }
    return index;
  };
}

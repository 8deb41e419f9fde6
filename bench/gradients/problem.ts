// What both sides differentiate: a Llama, tokens, and the log-probability of the token after each of them.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { LlamaShape } from './llama.ts';
import type { DerivativeRows } from '../../src/lm/derivatives.ts';
import type { ModelFolder } from '../../src/lm/folder.ts';
import { openModelFolder } from '../../src/lm/folder.ts';
import type { Random } from '../../src/shared/random.ts';

export interface Problem {
  readonly name: string;
  readonly folder: ModelFolder;
  readonly shape: LlamaShape;
  readonly theta: number;
  readonly epsilon: number;
  readonly rows: DerivativeRows;
  /** The next token of every place, [batch][length]. */
  readonly targets: readonly (readonly number[])[];
}

/** Rows of random tokens. */
export function problemOf(name: string, location: string, sizes: { readonly batch: number; readonly length: number }, random: Random): Problem {
  const opened = openModelFolder(location);
  if (!opened.ok) throw new Error(opened.problem.message);
  const config = JSON.parse(readFileSync(path.join(location, 'config.json'), 'utf8')) as Readonly<Record<string, number>>;
  const number = (key: string): number => config[key] ?? Number.NaN;
  const shape = { hidden: number('hidden_size'), layers: number('num_hidden_layers'), heads: number('num_attention_heads'), keyValueHeads: number('num_key_value_heads'), neurons: number('intermediate_size'), vocabulary: number('vocab_size') };
  const ids = Array.from({ length: sizes.batch }, () => Array.from({ length: sizes.length }, () => random.integer(0, shape.vocabulary - 1)));
  const targets = ids.map((row) => [...row.slice(1), random.integer(0, shape.vocabulary - 1)]);
  const outcomes = targets.flatMap((tokens, row) => tokens.map((token, position) => ({ row, position, token })));
  return { name, folder: opened.folder, shape, theta: number('rope_theta'), epsilon: number('rms_norm_eps'), rows: { ids, outcomes }, targets };
}

/** Where each weight lies, for another program that reads the same files. */
export function weightPlaces({ folder: { file } }: Problem): readonly unknown[] {
  return [...file.graph.initializers].filter(([name]) => name.endsWith('.weight')).map(([name, tensor]) =>
    'external' in tensor
      ? { name, dims: tensor.dims, file: path.join(file.dataFolder, tensor.external['location'] ?? ''), offset: Number(tensor.external['offset']) }
      : { name, dims: tensor.dims, data: Array.from(tensor.data as Float32Array) });
}

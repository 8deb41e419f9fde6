// Which vocabularies and lengths a model can be compiled for.
import { CompileFault } from './problem.ts';
import type { Value } from '../../rasp/program.ts';
import { describe } from '../../rasp/scalar.ts';
import { valueKey } from '../../rasp/valueSets.ts';

/** @throws CompileFault */
export function checkVocabulary(vocabulary: readonly Value[], maxLength: number): void {
  const fault = (message: string): CompileFault => new CompileFault({ code: 'vocabulary', message });
  if (vocabulary.length === 0) throw fault('The vocabulary is empty. Give the tokens that an input may hold.');
  if (!Number.isInteger(maxLength) || maxLength < 1) throw fault(`The maximal length must be a whole number above 0, and it is ${maxLength}.`);
  if (vocabulary.includes('BOS')) throw fault('“BOS” is the model\'s own first token and cannot be in the vocabulary.');
  const keys = vocabulary.map(valueKey);
  const twice = vocabulary.find((_, i) => keys.indexOf(keys[i] ?? '') !== i);
  if (twice !== undefined) throw fault(`The token ${describe(twice)} is in the vocabulary twice.`);
}

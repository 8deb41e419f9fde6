// Holds a compiled program against the interpreter, through the model host.
import assert from 'node:assert/strict';
import { CompiledModel } from '../../src/numeric/compiledRun.ts';
import type { ExportedModel } from '../../src/numeric/exportModel.ts';
import { encodeGraph } from '../../src/onnx/encode.ts';
import { EvaluationError, interpret } from '../../src/rasp/interpret.ts';
import type { Program, Value } from '../../src/rasp/program.ts';
import { isNumeric } from '../../src/rasp/scalar.ts';
import { sameValue } from '../../src/repair/batch.ts';
import { sharedHost } from './host.ts';

export interface Comparison {
  /** Inputs that the interpreter accepts. */
  readonly compared: number;
  /** The first few inputs on which the two differ. */
  readonly wrong: readonly string[];
}

/** Classes must be equal; a number given as a value may be off by float32's rounding. */
export async function compareWithInterpreter(program: Program, model: ExportedModel, inputs: readonly (readonly Value[])[], causal = false): Promise<Comparison> {
  const expected = inputs.map((input) => outcome(program, input, causal));
  const accepted = inputs.filter((_, i) => expected[i] !== null);
  const compiled = await CompiledModel.open(encodeGraph(model.graph), model.description, sharedHost());
  const outputs = await compiled.run(accepted);
  await compiled.dispose();
  const wanted = expected.filter((output) => output !== null);
  const same = model.description.classes ? sameValue : nearly;
  const wrong = accepted.flatMap((input, i) => {
    const [right = [], given = []] = [wanted[i], outputs[i]];
    const equal = right.length === given.length && right.every((value, p) => same(given[p] ?? null, value));
    return equal ? [] : [`${JSON.stringify(input)}: ${JSON.stringify(right)}, the model gives ${JSON.stringify(given)}`];
  });
  return { compared: accepted.length, wrong: wrong.slice(0, 3) };
}

export function outcome(program: Program, input: readonly Value[], causal = false): readonly Value[] | null {
  try {
    return interpret(program, input, { causal });
  } catch (error) {
    assert.ok(error instanceof EvaluationError, String(error));
    return null;
  }
}

const nearly = (given: Value, right: Value): boolean =>
  isNumeric(given) && isNumeric(right) && Math.abs(Number(given) - Number(right)) <= 1e-5 * Math.max(1, Math.abs(Number(right)));

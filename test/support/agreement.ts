// Whether interpreter, op tables and transformer weights give one answer, for any program.
import { compareWithInterpreter, outcome } from './compiled.ts';
import { exportWeights } from '../../src/numeric/exportModel.ts';
import type { ExportResult } from '../../src/numeric/exportModel.ts';
import { exportTables } from '../../src/numeric/tableModel.ts';
import type { CompileOptions } from '../../src/numeric/weights/compile.ts';
import { programOf } from '../../src/rasp/analyse.ts';
import { analyse } from '../../src/rasp/frontend.ts';
import type { Random } from '../../src/shared/random.ts';
import type { Program, Value } from '../../src/rasp/program.ts';

export interface Agreement {
  /** Inputs that the interpreter accepts and each form was held against; a form that is refused has none. */
  readonly weights: number;
  readonly tables: number;
  /** Why a form was refused. */
  readonly refused: readonly string[];
  readonly wrong: readonly string[];
}

export function programOfText(text: string): Program | undefined {
  const analysis = analyse({ path: 'random.rasp', text }, { runningExample: [1, 2] });
  const broken = analysis.diagnostics.some(({ severity, code }) => severity === 'error' && code !== 'evaluation');
  return broken ? undefined : programOf(analysis, 'result');
}

/** Inputs of every length in turn. */
export const randomInputs = (random: Random, vocabulary: readonly Value[], maxLength: number, count: number): Value[][] =>
  Array.from({ length: count }, (_, i) => Array.from({ length: 1 + (i % maxLength) }, () => random.pick(vocabulary)));

const forms = { weights: exportWeights, tables: exportTables } as const;
type Form = keyof typeof forms;

export async function agreement(program: Program, options: CompileOptions, inputs: readonly (readonly Value[])[], wanted: readonly Form[] = ['weights', 'tables']): Promise<Agreement> {
  const counts = { weights: 0, tables: 0 };
  const refused: string[] = [];
  const wrong: string[] = [];
  const accepted = inputs.filter((input) => outcome(program, input, options.causal) !== null);
  if (accepted.length === 0) return { ...counts, refused, wrong };
  for (const form of wanted) {
    const model: ExportResult = forms[form](program, options);
    if (!model.ok) {
      refused.push(`${form}: ${model.problem.code}: ${model.problem.message}`);
      continue;
    }
    const found = await compareWithInterpreter(program, model, accepted, options.causal);
    counts[form] = found.compared;
    wrong.push(...found.wrong.map((line) => `${form}: ${line}`));
  }
  return { ...counts, refused, wrong };
}

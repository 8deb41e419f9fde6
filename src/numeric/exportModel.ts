// A program as an ordinary ONNX model that says what its tokens and classes are.
import type { ModelDescription, ModelSource } from './compiledModel.ts';
import { BOS, describedGraph } from './compiledModel.ts';
import { compileWeights } from './weights/compile.ts';
import type { CompileOptions } from './weights/compile.ts';
import { transformerGraph } from './weights/graph.ts';
import type { CompileProblem } from './weights/problem.ts';
import type { TransformerWeights } from './weights/transformer.ts';
import type { Graph } from '../onnx/graph.ts';
import type { Program } from '../rasp/program.ts';

export interface ExportedModel {
  readonly graph: Graph;
  readonly description: ModelDescription;
}

export type ExportResult<T = ExportedModel> = ({ readonly ok: true } & T) | { readonly ok: false; readonly problem: CompileProblem };

/** What the model of some weights says about itself. */
export function describeWeights({ vocabulary, maxLength, readout }: TransformerWeights, source: ModelSource | null = null): ModelDescription {
  return { vocab: [BOS, ...vocabulary], classes: readout.kind === 'logits' ? readout.classes : null, maxLength, source };
}

/** The program as a transformer. */
export function exportWeights(program: Program, options: CompileOptions, source: ModelSource | null = null): ExportResult<ExportedModel & { readonly weights: TransformerWeights }> {
  const compiled = compileWeights(program, options);
  if (!compiled.ok) return compiled;
  const { weights } = compiled;
  const description = describeWeights(weights, source);
  return { ok: true, weights, description, graph: describedGraph(transformerGraph(weights), description) };
}

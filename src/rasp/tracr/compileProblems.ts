// What Tracr's compiler refuses: encodings that do not fit together, and averages of what is not binary.
import type { Diagnostic } from '../diagnostic.ts';
import type { Encoding, Node, Program, SOp, Value } from '../program.ts';
import { nodesBelow } from '../program.ts';
import { isNumeric } from '../scalar.ts';
import { inferValueSets, isExplosion } from '../valueSets.ts';

export interface CompileOptions {
  readonly vocabulary: readonly Value[];
  readonly maxLength: number;
}

/**
 * Why Tracr would not compile a program; empty if it would. The interpreter and the op tables run such programs all the
 * same. Source: the restrictions of Tracr's compiler (Lindner et al. 2023).
 */
export function compileProblems(program: Program, options: CompileOptions): Diagnostic[] {
  const order = nodesBelow(program.output);
  const problems = order.flatMap((node) => problemsOf(node).map((message) => diagnostic(node, message)));
  if (!order.some(({ kind }) => kind === 'tokens')) problems.push(diagnostic(program.output, 'the program does not read its tokens'));
  return problems.length > 0 ? problems : averages(program, options);
}

const diagnostic = (node: Node, message: string): Diagnostic => ({
  code: 'not-compilable',
  severity: 'error',
  message: `Tracr cannot compile this: ${message}`,
  span: node.origin.span,
});

export const encodingOf = (node: SOp): Encoding => node.encoding ?? 'categorical';

function problemsOf(node: Node): string[] {
  switch (node.kind) {
    case 'tokens':
    case 'indices':
      return encodingOf(node) === 'numerical' ? [`${node.kind} are always categorical`] : [];
    case 'length':
      return ['rasp.length is no primitive of the compiler; use SelectorWidth of a selector that is always true'];
    case 'select':
      return [
        ...(encodingOf(node.keys) === 'numerical' ? ["a selector's keys must be categorical"] : []),
        ...(encodingOf(node.queries) === 'numerical' ? ["a selector's queries must be categorical"] : []),
      ];
    case 'aggregate':
      return aggregateProblems(encodingOf(node), encodingOf(node.value), node.default);
    case 'map':
      return mapProblems(node, node.args.map(encodingOf));
    default:
      return [];
  }
}

function aggregateProblems(output: Encoding, input: Encoding, fallback: Value): string[] {
  if (output !== input) return [`an aggregate's output is encoded like its input, and here the input is ${input} and the output ${output}`];
  if (output === 'categorical' && fallback !== null) return ['the default of a categorical aggregate must be None'];
  if (output === 'numerical' && fallback !== 0) return ['the default of a numerical aggregate must be 0'];
  return [];
}

function mapProblems(node: Extract<SOp, { kind: 'map' }>, inputs: readonly Encoding[]): string[] {
  const all = [...inputs, encodingOf(node)];
  if (node.origin.form === 'linear') return all.includes('categorical') ? ['a LinearSequenceMap takes and gives numerical s-ops only'] : [];
  return node.args.length > 1 && all.includes('numerical') ? ['a SequenceMap that is not linear takes and gives categorical s-ops only'] : [];
}

function averages(program: Program, { vocabulary, maxLength }: CompileOptions): Diagnostic[] {
  const inferred = inferValueSets(program.output, { vocabulary, maxLength });
  if (isExplosion(inferred)) {
    return [diagnostic(inferred.node, `the op can hold too many values (${inferred.sizes.join(' × ')} combinations; the limit is ${inferred.limit})`)];
  }
  return nodesBelow(program.output).flatMap((node) => {
    if (node.kind !== 'aggregate' || encodingOf(node) !== 'numerical') return [];
    const values = inferred.sets.get(node.value) ?? [];
    const binary = values.every((value) => isNumeric(value) && (Number(value) === 0 || Number(value) === 1));
    return binary ? [] : [diagnostic(node, `an average is taken of binary values only, and here the values are ${values.slice(0, 6).map(String).join(', ')}`)];
  });
}

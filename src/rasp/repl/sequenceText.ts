// Sequences and selectors on one input, as RASP's transcripts show them.
import type { Evaluation, SelectorMatrix, Sequence } from '../interpret.ts';
import type { ElementType, MapOp, SOp, Value } from '../program.ts';
import { roundHalfEven } from '../scalar.ts';
import { numberText, tokenText } from './pythonText.ts';

const typeNames: Readonly<Record<ElementType, string>> = { int: 'ints', float: 'floats', bool: 'bools', string: 'strings', none: 'nones' };

/** A sequence and, position by position, whether Python holds the number as a float. */
export interface ShownSequence extends Sequence {
  readonly floats: readonly boolean[];
}

/** The sequence of an s-op that has been evaluated, with the kinds of its numbers: a mean is a float, a lone value keeps its kind. */
export function shownSequence(node: SOp, evaluation: Evaluation): ShownSequence {
  return { ...evaluation.sequence(node), floats: floatsOf(node, evaluation, new Map()) };
}

function floatsOf(node: SOp, evaluation: Evaluation, known: Map<SOp, readonly boolean[]>): readonly boolean[] {
  const before = known.get(node);
  if (before !== undefined) return before;
  const sequence = evaluation.sequence(node);
  const floats = sequence.type === 'float' ? numberKinds(node, sequence, evaluation, known) : sequence.values.map(() => false);
  known.set(node, floats);
  return floats;
}

function numberKinds(node: SOp, { values }: Sequence, evaluation: Evaluation, known: Map<SOp, readonly boolean[]>): readonly boolean[] {
  switch (node.kind) {
    case 'aggregate': {
      const source = floatsOf(node.value, evaluation, known);
      return evaluation.matrix(node.selector).map((row, q) => {
        const selected = row.flatMap((chosen, k) => (chosen ? [k] : []));
        return selected.length > 1 || (source[selected[0] ?? -1] ?? false) || isFraction(values[q]);
      });
    }
    case 'map':
      return mapKinds(node, values, evaluation, known);
    default:
      return values.map(() => true);
  }
}

function mapKinds({ fn, args }: MapOp, values: readonly Value[], evaluation: Evaluation, known: Map<SOp, readonly boolean[]>): readonly boolean[] {
  const sources = args.map((arg) => ({ type: evaluation.sequence(arg).type, floats: floatsOf(arg, evaluation, known) }));
  return values.map((value, i) => {
    const types = sources.map(({ type, floats }): ElementType => (type === 'float' ? (floats[i] === true ? 'float' : 'int') : type));
    return fn.resultType?.(types) === 'float' || isFraction(value);
  });
}

const isFraction = (value: Value | undefined): boolean => typeof value === 'number' && !Number.isInteger(value);

/** `[0, 1, 2] (ints)`; `[5]*5 (ints)` where all are equal; bools as T and F; floats to three digits; strings bare. */
export function sequenceText(sequence: ShownSequence): string {
  const { values, type } = sequence;
  const texts = elementTexts(sequence);
  const [first = ''] = texts;
  const all = isConstant(sequence) && values.length > 1 ? `[${first}]*${values.length}` : `[${texts.join(', ')}]`;
  return `${all} (${typeNames[type]})`;
}

/** Each element as `sequenceText` writes it. */
export const elementTexts = ({ values, type, floats }: ShownSequence): string[] => values.map((value, i) => elementText(value, type, floats[i] ?? false));

export const isConstant = ({ values }: Sequence): boolean => values.every((value) => value === values[0]);

function elementText(value: Value, type: ElementType, isFloat: boolean): string {
  if (typeof value === 'boolean' && type !== 'bool') return String(Number(value));
  if (typeof value === 'boolean') return value ? 'T' : 'F';
  if (typeof value === 'number') return numberText(isFloat ? roundTo3(value) : value, isFloat);
  return tokenText(value);
}

/** Python's round(x, 3); its ties, which go to the even digit, are the odd multiples of 1/16. */
function roundTo3(x: number): number {
  if (Math.abs(x) >= 1e15) return x;
  return Math.abs((x * 16) % 2) === 1 ? roundHalfEven(x * 1000) / 1000 : Number(x.toFixed(3));
}

/** The two lines of the full display: input above output, in columns. */
export function fullDisplay(input: ShownSequence, output: ShownSequence): string[] {
  const [above, below] = [columnTexts(input), columnTexts(output)];
  const width = Math.max(...[...above, ...below].map((text) => text.length));
  const line = (name: string, texts: readonly string[], { type }: Sequence): string =>
    ` \t\t${name} ${texts.map((text) => text.padStart(width)).join(' ')} \t (${typeNames[type]})`;
  return [line('input:  ', above, input), line('output: ', below, output)];
}

/** Of bools, only the rarer kind is written, so that it stands out. */
function columnTexts(sequence: ShownSequence): string[] {
  const texts = elementTexts(sequence);
  if (sequence.type !== 'bool') return texts;
  const trues = texts.filter((text) => text === 'T').length;
  const falses = texts.length - trues;
  return texts.map((text) => ((text === 'T' ? trues <= falses : falses <= trues) ? text : ''));
}

/** Rows are queries, columns are keys; `1` or blank. Longer tokens make wider columns. */
export function matrixLines(input: readonly Value[], matrix: SelectorMatrix, prefix = ''): string[] {
  const tokens = input.map(tokenText);
  const width = Math.max(...tokens.map((token) => token.length));
  const cells = (texts: readonly string[]): string => texts.map((text) => text.padStart(width)).join(' ');
  return [
    `${prefix} \t\t\t ${' '.repeat(width)}   ${cells(tokens)}`,
    ...tokens.map((token, q) => `${prefix} \t\t\t ${token.padStart(width)} | ${cells(matrix[q]?.map((selected) => (selected ? '1' : ' ')) ?? [])}`),
  ];
}

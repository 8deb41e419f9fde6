// What the interactive loop prints of a value: s-ops and selectors with their example, values, lists, dicts, functions.
import { Evaluation } from '../interpret.ts';
import type { Node, SOp, Value } from '../program.ts';
import { isSelector } from '../program.ts';
import type { DictValue, FunctionValue, ListValue, RaspValue } from '../rasp/values.ts';
import { inputOf } from '../rasp/values.ts';
import { atomText, reprText } from './pythonText.ts';
import type { ShownSequence } from './sequenceText.ts';
import { fullDisplay, isConstant, matrixLines, sequenceText, shownSequence } from './sequenceText.ts';

type Which = 's-op' | 'selector';

/** A running example: as it was written, as tokens, and what has been computed on it. */
class RunningExample {
  readonly evaluation: Evaluation;
  readonly text: string;

  constructor(
    value: RaspValue,
    readonly input: readonly Value[],
  ) {
    this.evaluation = new Evaluation('rasp', input);
    this.text = value.kind === 'atom' ? atomText(value) : reprText(value);
  }
}

/** The function's place as it is named to the user. */
export type PlaceName = (file: string) => string;

export class Display {
  private readonly examples: Record<Which, RunningExample>;
  private readonly shows: Record<Which, boolean> = { 's-op': true, selector: true };
  private full = false;

  constructor(
    example: RaspValue,
    private readonly placeName: PlaceName,
  ) {
    const first = new RunningExample(example, inputOf(example) ?? []);
    this.examples = { 's-op': first, selector: first };
  }

  setExample(which: Which | null, value: RaspValue, input: readonly Value[]): void {
    const example = new RunningExample(value, input);
    for (const kind of kindsOf(which)) this.examples[kind] = example;
  }

  toggleExamples(which: Which | null, on: boolean): void {
    for (const kind of kindsOf(which)) this.shows[kind] = on;
  }

  toggleFull(on: boolean): void {
    this.full = on;
  }

  exampleLines(which: Which | null): string[] {
    return kindsOf(which).map((kind) => `\t${kind} example: ${this.examples[kind].text}`);
  }

  get input(): readonly Value[] {
    return this.examples['s-op'].input;
  }

  /** A value with its name. @throws EvaluationError where an s-op or a selector fails on the running example. */
  named(name: string, value: RaspValue, withExamples: boolean): string[] {
    return this.valueLines(name, value, withExamples, '', '');
  }

  /** What an op gives for an input. @throws EvaluationError */
  applied(op: Node, input: readonly Value[]): string[] {
    const evaluation = new Evaluation('rasp', input);
    evaluation.evaluate(op);
    if (isSelector(op)) return ['\t = ', ...matrixLines(input, evaluation.matrix(op))];
    const sequence = shownSequence(op, evaluation);
    if (!this.full) return [`\t =  ${sequenceText(sequence)}`];
    return this.fullLines('\t = ', ' ', input, sequence, '');
  }

  private valueLines(name: string | null, value: RaspValue, withExamples: boolean, prefix: string, label: string): string[] {
    const start = `${prefix} ${label}`;
    switch (value.kind) {
      case 's-op':
        return this.sOpLines(name ?? value.node.name ?? 's-op', value.node, withExamples, prefix, start);
      case 'selector': {
        const shown = name ?? value.node.name ?? (value.node.kind === 'select' ? 'plain select' : 'sel');
        return [`${start}    selector: ${shown}`, ...(withExamples && this.shows.selector ? this.matrixExample(value.node, prefix) : [])];
      }
      case 'function':
        return [`${start}    ${this.functionText(value)}`];
      case 'list':
        return this.listLines(name, value, withExamples, prefix, start);
      case 'dict':
        return this.dictLines(name, value, withExamples, prefix, start);
      case 'atom':
        return [`${start}   value: ${name === null ? '' : `${name} = `} ${atomText(value)}`];
      case 'applied':
        return this.applied(value.op, value.input);
      case 'unknown':
        return [];
    }
  }

  private sOpLines(name: string, node: SOp, withExamples: boolean, prefix: string, start: string): string[] {
    const heading = `${start}    s-op: ${name}`;
    if (!withExamples || !this.shows['s-op']) return [heading];
    const { evaluation, input, text } = this.examples['s-op'];
    evaluation.evaluate(node);
    const sequence = shownSequence(node, evaluation);
    const call = `${name}(${text}) =`;
    if (!this.full) return [heading, `${prefix} \t Example: ${call} ${sequenceText(sequence)}`];
    return [heading, ...this.fullLines(`${prefix} \t Example:`, ` ${call}`, input, sequence, prefix)];
  }

  private fullLines(heading: string, call: string, input: readonly Value[], sequence: ShownSequence, prefix: string): string[] {
    if (isConstant(sequence)) return [`${heading}${call} ${sequenceText(sequence)} [skipped full display: identical values]`];
    return [heading, ...fullDisplay(inputSequence(input), sequence).map((line) => prefix + line)];
  }

  private matrixExample(node: Extract<RaspValue, { kind: 'selector' }>['node'], prefix: string): string[] {
    const { evaluation, input } = this.examples.selector;
    evaluation.evaluate(node);
    return [`${prefix} \t Example:`, ...matrixLines(input, evaluation.matrix(node), prefix)];
  }

  private functionText({ name, parameters, file }: FunctionValue): string {
    return `${this.placeName(file)} function: ${name}(${parameters.map((parameter) => parameter.name).join(', ')})`;
  }

  private listLines(name: string | null, value: ListValue, withExamples: boolean, prefix: string, start: string): string[] {
    const heading = `   list: ${name === null ? '' : `${name} = `}`;
    if (!holdsOps(value.items)) return [`${start} ${heading}${reprText(value)}`];
    const items = value.items.flatMap((item) => this.valueLines(null, item, withExamples, `${prefix}\t\t`, ''));
    return [`${start} ${heading}${prefix} [`, ...items, `${prefix} ${' '.repeat(heading.length)} ]`];
  }

  private dictLines(name: string | null, { entries }: DictValue, withExamples: boolean, prefix: string, start: string): string[] {
    const heading = `   dict: ${name === null ? '' : `${name} = `}`;
    const items = [...entries.values()];
    if (!holdsOps(items.map(({ value }) => value))) {
      return [`${start} ${heading}{${items.map(({ key, value }) => `${reprText(key)}: ${reprText(value)}`).join(', ')}}`];
    }
    const lines = items.flatMap(({ key, value }) => this.valueLines(null, value, withExamples, `${prefix}\t\t\t`, `${atomText(key)} : `));
    return [`${start} ${heading}${prefix} {`, ...lines, `${prefix} ${' '.repeat(heading.length)} }`];
  }
}

const kindsOf = (which: Which | null): readonly Which[] => (which === null ? ['s-op', 'selector'] : [which]);

/** Such a list is printed item by item. */
const holdsOps = (items: readonly RaspValue[]): boolean => items.some(({ kind }) => kind !== 'atom' && kind !== 'function');

function inputSequence(values: readonly Value[]): ShownSequence {
  const [first] = values;
  const isFloat = values.some((value) => typeof value === 'number' && !Number.isInteger(value));
  const type = typeof first === 'number' ? (isFloat ? 'float' : 'int') : typeof first === 'boolean' ? 'bool' : 'string';
  return { values, type, floats: values.map((value) => typeof value === 'number' && !Number.isInteger(value)) };
}

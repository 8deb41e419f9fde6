// Tasks for short programs, described without a word of any language, and the programs that solve them.
import type { Random } from '../../../src/shared/random.ts';
import type { Expression, Language, Program, Statement } from './programSyntax.ts';
import { languages, written } from './programSyntax.ts';
import type { Split } from './split.ts';
import { ofSplit } from './split.ts';

export interface ProgramTask {
  /** What is to be done: “add the numbers from a to b that are odd”. */
  readonly description: string;
  /** Asks for no language. */
  readonly prompt: string;
  /** Asks for each language. */
  readonly prompts: Readonly<Record<Language, string>>;
  readonly programs: Readonly<Record<Language, string>>;
}

/** How often each language answers a prompt that asks for none, in the training text. */
export const languagePrior: Readonly<Record<Language, number>> = { Python: 0.45, 'C++': 0.3, Julia: 0.15, MATLAB: 0.1 };

/** A task of the split; descriptions are on one side of it only. */
export function programTask(random: Random, split: Split): ProgramTask {
  const { description, program } = ofSplit(split, (task: Task) => task.description, () => random.pick(families)(random));
  const record = <T>(value: (language: Language) => T): Readonly<Record<Language, T>> => Object.fromEntries(languages.map((language) => [language, value(language)])) as Record<Language, T>;
  return {
    description,
    prompt: `Task: ${description}.\nProgram:\n`,
    prompts: record((language) => `Task: ${description}. Write it in ${language}.\nProgram:\n`),
    programs: record((language) => written(program, language)),
  };
}

/** A language by the prior. */
export function drawLanguage(random: Random): Language {
  let left = random.next();
  return languages.find((language) => (left -= languagePrior[language]) < 0) ?? 'Python';
}

interface Task {
  readonly description: string;
  readonly program: Program;
}

interface Filter {
  readonly words: string;
  readonly condition: Expression;
}

function filterOn(random: Random, variable: string): Filter | null {
  const [k, n] = [random.integer(3, 9), random.integer(2, 99)];
  const filters: readonly (Filter | null)[] = [
    null, null,
    { words: ' that are even', condition: { remainder: variable, by: 2, equal: true } },
    { words: ' that are odd', condition: { remainder: variable, by: 2, equal: false } },
    { words: ` that are divisible by ${k}`, condition: { remainder: variable, by: k, equal: true } },
    { words: ` that are not divisible by ${k}`, condition: { remainder: variable, by: k, equal: false } },
    { words: ` greater than ${n}`, condition: `${variable} > ${n}` },
    { words: ` less than ${n}`, condition: `${variable} < ${n}` },
  ];
  return random.pick(filters);
}

const filtered = (filter: Filter | null, statement: Statement): Statement => (filter ? { kind: 'if', condition: filter.condition, body: [statement] } : statement);

interface Loop {
  readonly words: string;
  readonly variable: string;
  readonly parameters: readonly { readonly name: string; readonly type: 'int' | 'list' }[];
  readonly around: (body: readonly Statement[]) => Statement;
}

function loop(random: Random): Loop {
  if (random.next() < 0.5) {
    const variable = random.pick(['v', 'item', 'value']);
    const list = random.pick(['x', 'data', 'values', 'numbers']);
    return { words: `numbers in ${list}`, variable, parameters: [{ name: list, type: 'list' }], around: (body) => ({ kind: 'each', variable, list, body }) };
  }
  const variable = random.pick(['i', 'k', 'j']);
  const [from, to] = random.pick([['1', 'n'], ['a', 'b'], ['0', 'n'], ['low', 'high']] as const);
  const parameters = [from, to].filter((name) => !/\d/.test(name)).map((name) => ({ name, type: 'int' as const }));
  return { words: `numbers from ${from} to ${to}`, variable, parameters, around: (body) => ({ kind: 'range', variable, from, to, body }) };
}

/** Adds, multiplies or counts numbers. */
function reduction(random: Random): Task {
  const { words, variable, parameters, around } = loop(random);
  const filter = filterOn(random, variable);
  const kind = random.pick([
    { verb: 'add', name: 'sum', start: '0', operator: '+', value: variable },
    { verb: 'multiply', name: 'product', start: '1', operator: '*', value: variable },
    { verb: 'count', name: 'count', start: '0', operator: '+', value: '1' },
    { verb: 'add the squares of', name: 'squares', start: '0', operator: '+', value: `${variable} * ${variable}` },
    { verb: 'add twice', name: 'twice', start: '0', operator: '+', value: `2 * ${variable}` },
  ] as const);
  const total = random.pick(['total', 'result', 'sum']);
  const step: Statement = { kind: 'update', name: total, operator: kind.operator, value: kind.value };
  const body: Statement[] = [{ kind: 'let', name: total, value: kind.start }, around([filtered(filter, step)])];
  return {
    description: `${kind.verb} the ${words}${filter?.words ?? ''}`,
    program: { header: { name: `${kind.name}_numbers`, parameters, result: 'int' }, body, result: total },
  };
}

/** The largest or smallest number of a list. */
function extreme(random: Random): Task {
  const [list, variable, best] = [random.pick(['x', 'data', 'values', 'numbers']), random.pick(['v', 'item', 'value']), random.pick(['best', 'result'])];
  const filter = filterOn(random, variable);
  const [word, sign, start] = random.pick([['largest', '>', '-1000'], ['smallest', '<', '1000']] as const);
  const step: Statement = { kind: 'if', condition: `${variable} ${sign} ${best}`, body: [{ kind: 'set', name: best, value: variable }] };
  const body: Statement[] = [{ kind: 'let', name: best, value: start }, { kind: 'each', variable, list, body: [filtered(filter, step)] }];
  return {
    description: `find the ${word} of the numbers in ${list}${filter?.words ?? ''}`,
    program: { header: { name: `${word}_number`, parameters: [{ name: list, type: 'list' }], result: 'int' }, body, result: best },
  };
}

/** A formula of one or two numbers. */
function formula(random: Random): Task {
  const [x, y] = random.pick([['x', 'y'], ['a', 'b'], ['t', 's'], ['u', 'v']] as const);
  const [k, m] = [random.integer(2, 99), random.integer(2, 99)];
  const [words, value, second] = random.pick([
    [`${k} times ${x} plus ${m}`, `${k} * ${x} + ${m}`, false],
    [`${k} times ${x} minus ${m}`, `${k} * ${x} - ${m}`, false],
    [`the square of ${x} plus ${m}`, `${x} * ${x} + ${m}`, false],
    [`${x} times ${y} plus ${m}`, `${x} * ${y} + ${m}`, true],
    [`${k} times ${x} minus ${m} times ${y}`, `${k} * ${x} - ${m} * ${y}`, true],
    [`the sum of ${x} and ${y} divided by ${m}`, `(${x} + ${y}) / ${m}`, true],
    [`the difference of ${x} and ${k} divided by ${m}`, `(${x} - ${k}) / ${m}`, false],
  ] as const);
  const parameters = [x, ...(second ? [y] : [])].map((name) => ({ name, type: 'double' as const }));
  return {
    description: `compute ${words}`,
    program: { header: { name: random.pick(['compute', 'formula', 'evaluate']), parameters, result: 'double' }, body: [], result: value },
  };
}

/** A quantity that changes step by step. */
function simulation(random: Random): Task {
  const [start, k] = [random.integer(1, 99), random.integer(2, 9)];
  const name = random.pick(['y', 'level', 'amount', 'mass', 'speed']);
  const [words, operator] = random.pick([[`add ${k} to it`, '+'], [`multiply it by ${k}`, '*'], [`take ${k} from it`, '-']] as const);
  const [steps, variable] = [random.pick(['n', 'steps', 'm']), random.pick(['i', 'k', 't'])];
  const body: Statement[] = [
    { kind: 'let', name, value: String(start) },
    { kind: 'range', variable, from: '1', to: steps, body: [{ kind: 'update', name, operator, value: String(k) }] },
  ];
  return {
    description: `start with ${name} at ${start} and ${words} ${steps} times`,
    program: { header: { name: random.pick(['simulate', 'run', 'advance']), parameters: [{ name: steps, type: 'int' }], result: 'int' }, body, result: name },
  };
}

/** Numbers that are printed one by one, without a function. */
function listing(random: Random): Task {
  const [to, variable, k] = [random.integer(5, 99), random.pick(['i', 'k', 'j']), random.integer(2, 9)];
  const filter = filterOn(random, variable);
  const [words, value] = random.pick([['the numbers', variable], ['the squares of the numbers', `${variable} * ${variable}`], [`${k} times the numbers`, `${k} * ${variable}`]] as const);
  const step = filtered(filter, { kind: 'print', value });
  return {
    description: `print ${words} from 1 to ${to}${filter?.words ?? ''}`,
    program: { body: [{ kind: 'range', variable, from: '1', to: String(to), body: [step] }] },
  };
}

const families = [reduction, reduction, extreme, formula, simulation, listing] as const;

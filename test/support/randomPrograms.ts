// Random RASP programs as text: maps, selects, composite selectors, aggregates, widths.
import fc from 'fast-check';

/** The vocabulary that the programs are meant for. */
export const vocabulary = [1, 2, 3] as const;

/** What has been defined so far, by what it holds. */
interface Names {
  readonly numbers: string[];
  readonly selectors: string[];
  readonly texts: string[];
  readonly flags: string[];
}

const pick = (from: readonly string[], choice: number): string => from[choice % from.length] ?? '';

const comparisons = ['==', '!=', '<', '<=', '>', '>='];

interface Step {
  readonly kind: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
}

type Rule = (names: Names, step: Step) => { readonly list: keyof Names; readonly text: string };

const number = (text: string): ReturnType<Rule> => ({ list: 'numbers', text });
const selector = (text: string): ReturnType<Rule> => ({ list: 'selectors', text });

const rules: readonly Rule[] = [
  ({ numbers }, { a, b, c }) => selector(`select(${pick(numbers, a)}, ${pick(numbers, b)}, ${pick(comparisons, c)})`),
  ({ numbers }, { a, b, c }) => selector(`select(${pick(numbers, a)}, ${b % 4}, ${pick(comparisons, c)})`),
  ({ texts }, { a, b, c }) => selector(`select(${pick(texts, a)}, ${pick(texts, b)}, ${pick(['==', '!='], c)})`),
  ({ selectors }, { a, b, c }) => selector(`${pick(selectors, a)} ${pick(['and', 'or'], c)} ${pick(selectors, b)}`),
  ({ selectors }, { a, b, c }) => selector(`${pick(selectors, a)} ${pick(['and', 'or'], c)} (not ${pick(selectors, b)})`),
  ({ selectors }, { a }) => selector(`not ${pick(selectors, a)}`),
  ({ selectors }, { a }) => number(`selector_width(${pick(selectors, a)})`),
  ({ selectors, numbers }, { a, b, c }) => number(`aggregate(${pick(selectors, a)}, ${pick(numbers, b)}, ${(c % 5) - 1})`),
  ({ selectors, numbers }, { a, b }) => number(`aggregate(${pick(selectors, a)}, indicator(${pick(numbers, b)} > 1))`),
  ({ selectors, texts }, { a, b }) => ({ list: 'texts', text: `aggregate(${pick(selectors, a)}, ${pick(texts, b)}, "-")` }),
  ({ numbers }, { a, b, c }) => number(`${pick(numbers, a)} ${pick(['+', '-', '*'], c)} ${pick(numbers, b)}`),
  ({ numbers }, { a, b, c }) => number(`${pick(numbers, a)} ${pick(['+', '-', '*', '%'], c)} ${1 + (b % 3)}`),
  ({ numbers }, { a, b, c }) => ({ list: 'flags', text: `${pick(numbers, a)} ${pick(['==', '<', '<=', '>', '>='], c)} ${pick(numbers, b)}` }),
  ({ flags }, { a, b, c }) => ({ list: 'flags', text: `${pick(flags, a)} ${pick(['and', 'or'], c)} (not ${pick(flags, b)})` }),
  ({ flags, numbers }, { a, b, c }) => number(`${pick(numbers, b)} if ${pick(flags, a)} else ${pick(numbers, c)}`),
  ({ flags, texts }, { a, b }) => ({ list: 'texts', text: `${pick(texts, b)} if ${pick(flags, a)} else "else"` }),
  ({ flags }, { a }) => number(`indicator(${pick(flags, a)})`),
];

function textOf(steps: readonly Step[]): string {
  const names: Names = { numbers: ['tokens', 'indices', 'length'], selectors: ['before'], texts: ['letters'], flags: ['one'] };
  const lines = ['tokens = tokens_int;', 'letters = tokens_str;', 'one = tokens == 1;', 'before = select(indices, indices, <=);'];
  steps.forEach((step, i) => {
    const rule = rules[step.kind % rules.length];
    if (!rule) return;
    const { list, text } = rule(names, step);
    const name = `v${i}`;
    lines.push(`${name} = ${text};`);
    // Later definitions are likelier to be read.
    names[list].push(name, name);
  });
  const [last] = names.numbers.slice(-1);
  const selected = names.selectors.at(-1) ?? 'before';
  lines.push(`result = aggregate(${selected}, ${last ?? 'indices'}, 5) if ${names.flags.at(-1) ?? 'one'} else ${last ?? 'indices'};`);
  return `${lines.join('\n')}\n`;
}

const choice = fc.nat(59);

/** Texts of programs that end in a number. */
export const randomProgram: fc.Arbitrary<string> = fc
  .array(fc.record({ kind: choice, a: choice, b: choice, c: choice }), { minLength: 1, maxLength: 7 })
  .map(textOf);

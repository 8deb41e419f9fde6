// What a run of the benchmark is asked for, read from its options.
import { parseArgs } from 'node:util';
import type { Extent } from './cachedBugs.ts';
import type { Settings } from './measure.ts';
import type { Method } from './methods.ts';
import { isMethod, methods } from './methods.ts';

/** A method, and on how many bugs of the random order it is measured. */
export interface Share {
  readonly method: Method;
  readonly bugs: number;
}

export interface Plan {
  readonly settings: Settings;
  readonly extent: Extent;
  readonly methods: readonly Share[];
  readonly workers: number;
  /** Name of the files of results. */
  readonly out: string;
  /** Measure again what is known. */
  readonly anew: boolean;
  /** Minutes after which no more is begun; 0 only reports what is known. */
  readonly maxMinutes: number;
}

const options = {
  seed: { type: 'string', default: '1' },
  'per-cell': { type: 'string', default: '4' },
  whole: { type: 'boolean', default: false },
  methods: { type: 'string', default: Object.keys(methods).join() },
  budget: { type: 'string', default: '60' },
  examples: { type: 'string', default: '200' },
  fresh: { type: 'string', default: '5000' },
  workers: { type: 'string', default: '2' },
  out: { type: 'string', default: 'raspbugs' },
  anew: { type: 'boolean', default: false },
  'max-minutes': { type: 'string', default: 'Infinity' },
} as const;

export const usage = `--whole | --per-cell N, --methods ${Object.keys(methods).join()} (NAME:N only on N random bugs), --budget SECONDS, --examples N, --fresh N (inputs to judge on), --seed N, --workers N, --max-minutes M, --anew, --out NAME`;

/** The plan, or what is wrong with the options. */
export function planOf(args: readonly string[]): Plan | { readonly problem: string } {
  try {
    const { values } = parseArgs({ args: [...args], options });
    if (!/^[\w-]+$/.test(values.out)) return { problem: `--out takes a name of letters, digits, - and _, not “${values.out}”.` };
    return {
      settings: { seed: whole('seed', values.seed, 0), budgetMillis: 1000 * number('budget', values.budget, 0), examples: whole('examples', values.examples, 1), fresh: whole('fresh', values.fresh, 1) },
      extent: values.whole ? { whole: true } : { perCell: whole('per-cell', values['per-cell'], 1) },
      methods: sharesOf(values.methods),
      workers: whole('workers', values.workers, 1),
      out: values.out,
      anew: values.anew,
      maxMinutes: number('max-minutes', values['max-minutes'], 0),
    };
  } catch (error) {
    if (error instanceof RangeError || error instanceof TypeError) return { problem: `${error.message}\nOptions: ${usage}` };
    throw error;
  }
}

function sharesOf(text: string): Share[] {
  const shares = new Map<Method, Share>();
  for (const part of text.split(',')) {
    const [method = '', bugs] = part.split(':');
    if (!isMethod(method)) throw new RangeError(`There is no method “${method}”. The methods are: ${Object.keys(methods).join(', ')}.`);
    shares.set(method, { method, bugs: bugs === undefined ? Number.POSITIVE_INFINITY : whole(`methods ${method}:`, bugs, 1) });
  }
  return [...shares.values()];
}

function number(name: string, text: string, least: number): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (Number.isNaN(value) || value < least) throw new RangeError(`--${name} takes a number from ${least} on, not “${text}”.`);
  return value;
}

function whole(name: string, text: string, least: number): number {
  const value = number(name, text, least);
  if (!Number.isSafeInteger(value)) throw new RangeError(`--${name} takes a whole number, not “${text}”.`);
  return value;
}

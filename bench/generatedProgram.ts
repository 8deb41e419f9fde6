// A long RASP program as people write them, made from a seed: what the benchmarks of the language read.
import { Random } from '../src/shared/random.ts';

/** A program of about that many lines: maps, selectors, aggregates, functions, loops, comments, as people write them. */
export function generateProgram(lines: number, seed: number): string {
  const random = new Random(seed);
  const numbers = ['indices', 'length'];
  const selectors = ['full_s'];
  const functions: string[] = [];
  const operators = ['==', '<', '>', '<=', '>=', '!='];
  const text: string[] = [];
  for (let i = 0; text.length < lines; i++) {
    const [b, n] = [random.pick(numbers), random.integer(0, 9)];
    switch (random.integer(0, 7)) {
      case 0:
        text.push(`# step ${i}`, `shifted_${i} = aggregate(select(indices, indices + ${n}, ==), tokens, "-") if length > ${n} else tokens;`);
        break;
      case 1:
        text.push(`sel_${i} = select(${b}, ${random.pick(numbers)}, ${random.pick(operators)}) and ${random.pick(selectors)};`);
        selectors.push(`sel_${i}`);
        break;
      case 2:
        text.push(`count_${i} = selector_width(${random.pick(selectors)});`);
        numbers.push(`count_${i}`);
        break;
      case 3:
        text.push(`num_${i} = (${b} + ${n}) * 2 - ${random.pick(numbers)} % ${n + 1};`);
        numbers.push(`num_${i}`);
        break;
      case 4:
        text.push(`mean_${i} = aggregate(${random.pick(selectors)}, indicator(${b} > ${n}));`);
        numbers.push(`mean_${i}`);
        break;
      case 5:
        text.push(`def f_${i}(seq, key) {`, `  before = select(key, key, <) or ${random.pick(selectors)};`, `  return aggregate(before, seq * ${n});`, '}');
        functions.push(`f_${i}`);
        break;
      case 6:
        text.push(`acc_${i} = 0;`, `for k in range(3) {`, `  acc_${i} = acc_${i} + ${b} * k;`, '}');
        numbers.push(`acc_${i}`);
        break;
      default:
        if (functions.length > 0) text.push(`call_${i} = ${random.pick(functions)}(${b}, ${random.pick(numbers)});`);
    }
  }
  return `${text.join('\n')}\n`;
}

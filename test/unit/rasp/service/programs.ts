// Programs for the tests of the language service: the samples, and random ones whose scopes shadow each other.
import fc from 'fast-check';
import { readdirSync, readFileSync } from 'node:fs';
import type { ReadSource } from '../../../../src/rasp/analyse.ts';
import { analyse } from '../../../../src/rasp/frontend.ts';
import { EvaluationError, interpret } from '../../../../src/rasp/interpret.ts';
import { openLanguageFile } from '../../../../src/rasp/service/languageFile.ts';
import type { LanguageFile } from '../../../../src/rasp/service/languageFile.ts';

const folder = (name: string): string[] => {
  const url = new URL(`../../../../${name}/`, import.meta.url);
  return readdirSync(url).filter((file) => file.endsWith('.rasp')).map((file) => readFileSync(new URL(file, url), 'utf8'));
};

/** Programs as people write them. */
export const written: readonly string[] = [...folder('samples'), ...folder('bench/raspbugs/programs')];

export const open = (text: string, readSource?: ReadSource): LanguageFile => openLanguageFile({ path: '/main.rasp', text }, readSource);

/** Splits a text at its one `|`: the text without it, and where it stood. */
export function cursor(marked: string): { readonly text: string; readonly offset: number } {
  const offset = marked.indexOf('|');
  if (offset < 0) throw new RangeError('a | marks the cursor');
  return { text: marked.slice(0, offset) + marked.slice(offset + 1), offset };
}

/** What every top-level s-op gives on a word, without the names, in source order. */
export function outputs(text: string, readSource?: ReadSource): unknown[] {
  const { entries, diagnostics } = analyse({ path: '/main.rasp', text }, readSource ? { readSource } : {});
  const values = entries.map(({ output, name }) => {
    try {
      return [output.id, interpret({ dialect: 'rasp', name, output }, [...'hello'])];
    } catch (error) {
      if (error instanceof EvaluationError) return [output.id, error.message];
      throw error;
    }
  });
  return [...values, ...diagnostics.map(({ code, severity }) => [code, severity])];
}

const name = fc.constantFrom('a', 'b', 'c');
const term = fc.letrec<{ e: string }>((tie) => ({
  e: fc.oneof(
    { maxDepth: 2, withCrossShrink: true },
    fc.oneof(name, fc.constantFrom('1', 'indices')),
    fc.tuple(tie('e'), fc.constantFrom('+', '-', '*'), tie('e')).map(([left, operator, right]) => `(${left} ${operator} ${right})`),
    fc.tuple(fc.constantFrom('f', 'g'), tie('e')).map(([callee, argument]) => `${callee}(${argument})`),
    fc.tuple(name, tie('e'), tie('e')).map(([bound, value, item]) => `[${value} for ${bound} in [${item}, 2]][0]`),
  ),
})).e;

const assignment = fc.tuple(name, term).map(([target, value]) => `${target} = ${value};`);
const loop = fc.tuple(name, fc.array(assignment, { minLength: 1, maxLength: 3 })).map(([bound, body]) => `for ${bound} in range(2) { ${body.join(' ')} }`);
const body = fc.array(fc.oneof(assignment, loop), { maxLength: 3 });
const definition = fc.tuple(fc.constantFrom('f', 'g'), name, body, term).map(([callee, parameter, statements, result]) => `def ${callee}(${parameter}) { ${statements.join(' ')} return ${result.replaceAll(/[fg]\(/gu, '(')}; }`);

/** Programs of few names, in many scopes; everything that they use is defined. */
export const tangled: fc.Arbitrary<string> = fc
  .array(fc.oneof(assignment, loop, definition), { minLength: 1, maxLength: 6 })
  .map((statements) => ['a = 1;', 'b = indices;', 'c = length;', 'def f(x) { return x + a; }', 'def g(b) { c = b; return c * 2; }', ...statements, 'last = a + b + c + f(a) + g(b);'].join('\n'));

// No text makes a service throw or run away: half-written programs, random symbols, hostile nesting.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { completionsAt } from '../../../../src/rasp/service/completion.ts';
import { foldsOf } from '../../../../src/rasp/service/folding.ts';
import { formatDocument, formatRange } from '../../../../src/rasp/service/formatting.ts';
import { toldAt } from '../../../../src/rasp/service/hover.ts';
import { definitionAt, highlightsAt, placesAt } from '../../../../src/rasp/service/navigation.ts';
import { outlineOf } from '../../../../src/rasp/service/outline.ts';
import { renameAt } from '../../../../src/rasp/service/rename.ts';
import { semanticTokensOf } from '../../../../src/rasp/service/semanticTokens.ts';
import { signatureAt } from '../../../../src/rasp/service/signatureHelp.ts';
import { cursor, open, written } from './programs.ts';

function askAll(text: string, offsets: readonly number[]): void {
  const file = open(text);
  for (const item of outlineOf(file)) assert.ok(item.nameRange.end <= text.length);
  for (const { startLine, endLine } of foldsOf(file)) assert.ok(startLine < endLine);
  for (const { start, length } of semanticTokensOf(file)) assert.ok(start + length <= text.length);
  formatDocument(file.source, '  ');
  for (const offset of offsets) {
    completionsAt(file, offset);
    signatureAt(file, offset);
    definitionAt(file, offset);
    const told = toldAt(file, offset);
    assert.ok(told === null || (told.range.start <= offset && offset <= told.range.end));
    assert.equal(placesAt(file, offset).filter(({ span }) => span.file === '/main.rasp').length, highlightsAt(file, offset).length);
    renameAt(file, offset, 'fresh', () => undefined);
    formatRange(file.source, { start: offset, end: Math.min(text.length, offset + 9) }, '  ');
  }
}

const words = ['a', 'b', 'f', 'def ', 'for ', ' in ', 'return ', 'load ', '"x"', 'select(', 'aggregate(', 'range(', '(', ')', '[', ']', '{', '}', ',', ';', '=', '==', '<', '1', ' ', '\n', '#: "a"\n', '# c\n', ' if ', ' else ', ' and ', 'not ', 'tokens', 'sort'];

describe('the services', () => {
  it('answer for any sequence of words and symbols', () => {
    const text = fc.array(fc.constantFrom(...words), { maxLength: 40 }).map((parts) => parts.join(''));
    fc.assert(fc.property(text, fc.nat(), (written, at) => askAll(written, [at % (written.length + 1), written.length])), { seed: 41, numRuns: 400 });
  });

  it('answer for programs cut anywhere', () => {
    fc.assert(
      fc.property(fc.constantFrom(...written), fc.nat(), fc.nat({ max: 60 }), (program, at, cut) => {
        const start = at % program.length;
        askAll(program.slice(0, start) + program.slice(start + cut), [start, Math.max(0, start - 3)]);
      }),
      { seed: 42, numRuns: 60 },
    );
  });

  for (const [what, text] of [
    ['brackets', `x = ${'('.repeat(5_000)}`],
    ['comprehensions', `x = ${'[y for y in '.repeat(150)}[1]${']'.repeat(150)};`],
    ['blocks', `${'def f() {'.repeat(2_000)}`],
    ['functions that call each other twice', `def f0(x) { return x; }\n${Array.from({ length: 60 }, (_, i) => `def f${i + 1}(x) { return f${i}(x) + f${i}(x); }`).join('\n')}\ny = f60(indices);`],
    ['names defined by names', `n0 = indices;\n${Array.from({ length: 300 }, (_, i) => `n${i + 1} = n${i} + n${i};`).join('\n')}`],
    ['functions that call themselves', 'def f(x) { return g(x); }\ndef g(x) { return f(x) + g(x); }\ny = f(1);'],
  ] as const) {
    it(`answer for many ${what}`, () => askAll(text, [text.length, Math.floor(text.length / 2), 5]));
  }

  it('answer for files that load each other in a circle', () => {
    const texts: Record<string, string> = { '/a.rasp': 'load "b"; x = y;\n', '/b.rasp': 'load "a"; load "main"; y = 1;\n' };
    const { text, offset } = cursor('load "a";\nz = y|;\n');
    const file = open(text, (path) => texts[path]);
    assert.equal(definitionAt(file, offset)?.span.file, '/b.rasp');
  });
});

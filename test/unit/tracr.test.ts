// The Tracr front end: what it understands, what it refuses and where, and that no text breaks it.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { basePrograms, sourceOf } from '../../bench/raspbugs/programs.ts';
import { programOf } from '../../src/rasp/analyse.ts';
import { analyse, editSites } from '../../src/rasp/frontend.ts';
import { interpret } from '../../src/rasp/interpret.ts';
import type { Value } from '../../src/rasp/program.ts';
import { nodesBelow } from '../../src/rasp/program.ts';
import { applyEdits } from '../../src/repair/rewrite.ts';

const header = 'from tracr.rasp import rasp\n';
const load = (body: string) => analyse({ path: 'p.py', text: header + body });

function outputs(body: string, input: readonly Value[]): readonly Value[] {
  const analysis = load(body);
  assert.deepEqual(analysis.diagnostics, []);
  const program = programOf(analysis);
  assert.ok(program);
  return interpret(program, input);
}

function problem(body: string): { code: string; at: string; message: string } {
  const [first] = load(body).diagnostics;
  assert.ok(first, 'there is a diagnostic');
  return { code: first.code, message: first.message, at: (header + body).slice(first.span.start, first.span.end) };
}

describe("Tracr's Python", () => {
  it('runs loops, comprehensions, closures, unpacking and keyword arguments', () => {
    const body = `
def weighted(*parts, scale=1):
    total = None
    for part, weight in parts:
        term = rasp.Map(lambda x: x * weight * scale, part)
        total = term if total is None else total + term
    return total

def main(limit: int = 3):
    steps = [i for i in range(limit) if i % 2 == 0]
    first, *_ = [steps], 0
    return weighted((rasp.indices, len(steps)), (rasp.indices, max(steps)), scale=10)
`.replace('first, *_ = [steps], 0', 'first, second = steps');
    assert.deepEqual(outputs(body, ['a', 'b', 'c']), [0, 40, 80]);
  });

  it('chains comparisons as Python does', () => {
    assert.deepEqual(outputs('def f():\n    return rasp.Map(lambda x: 0 < x <= 2, rasp.indices)\n', [...'abcd']), [false, true, true, false]);
  });

  it('passes None through maps and gives it where nothing is selected', () => {
    const body = 'def f():\n    s = rasp.Aggregate(rasp.Select(rasp.indices, rasp.indices - 1, rasp.Comparison.EQ), rasp.tokens)\n    return rasp.Map(lambda x: x + "!", s)\n';
    assert.deepEqual(outputs(body, ['a', 'b']), [null, 'a!']);
  });

  it('captures loop variables late, as Python closures do', () => {
    const body = 'def f():\n    maps = [lambda x: x + k for k in range(3)]\n    return rasp.Map(maps[0], rasp.indices)\n';
    assert.deepEqual(outputs(body, ['a']), [2]);
  });

  it('lists functions without needed arguments as entries', () => {
    const { entries } = load('def needs(x):\n    return x\n\ndef free(x=rasp.tokens):\n    return needs(x)\n\nnamed = free()\n');
    assert.deepEqual(entries.map(({ name }) => name), ['free', 'named']);
  });

  it('points at unknown names and suggests near ones', () => {
    assert.deepEqual(problem('def f():\n    return rasp.Aggregat(rasp.tokens)\n'), {
      code: 'unknown-name', at: 'Aggregat', message: "Tracr's rasp has no “Aggregat”. Did you mean “Aggregate”?",
    });
  });

  it('points at what is not supported', () => {
    assert.equal(problem('class A:\n    pass\n').code, 'unsupported');
    assert.match(problem('def f():\n    return rasp.tokens and rasp.indices\n').message, /use &, \| and ~/);
  });

  it('reports what the program raises, with its message', () => {
    assert.match(problem('def f(n=3):\n    if n > 2:\n        raise ValueError(f"n is {n}")\n    return rasp.tokens\n').message, /n is 3/);
  });

  it('ends runaway loops and recursion', () => {
    assert.equal(problem('def f():\n    while True:\n        x = 1\n').code, 'limit');
    assert.equal(problem('def f():\n    return f()\n').code, 'recursion');
  });

  it('says of every op where it was written', () => {
    for (const { name } of basePrograms) {
      const text = sourceOf(name, 'tracr');
      const program = programOf(analyse({ path: 'p.py', text }));
      assert.ok(program);
      for (const { kind, origin } of nodesBelow(program.output)) {
        const written = text.slice(origin.span.start, origin.span.end);
        if (kind === 'select') assert.match(written, /^rasp\.Select\(/);
        if (kind === 'aggregate') assert.match(written, /^rasp\.Aggregate\(/);
        if (origin.symbol) assert.ok(origin.span.start <= origin.symbol.start && origin.symbol.end <= origin.span.end);
      }
    }
  });

  it('can be run any number of times: the step limit is one of building', () => {
    const text = 'from tracr.rasp import rasp\n\ndef twice(x):\n    return sum([x for _ in range(150)]) / 75\n\ndef f():\n    return rasp.Map(lambda x: twice(x), rasp.tokens)\n';
    const program = programOf(analyse({ path: 'p.py', text }));
    assert.ok(program);
    const input = Array.from({ length: 15_000 }, (_, i) => i);
    assert.deepEqual(interpret(program, input), input.map((x) => 2 * x));
  });

  it('never throws on a damaged text, and every diagnostic lies in it', () => {
    const sources = basePrograms.map(({ name }) => sourceOf(name, 'tracr'));
    const junk = fc.constantFrom('', '(', ')', ':', '\n', '    ', 'lambda', '"', "f'{", '[', ',', '==', '\u0000', '💥', 'for x in', 'return');
    fc.assert(
      fc.property(fc.constantFrom(...sources), fc.nat(), fc.nat(12), junk, (source, at, length, text) => {
        const start = at % source.length;
        const damaged = source.slice(0, start) + text + source.slice(start + length);
        const { diagnostics } = analyse({ path: 'p.py', text: damaged });
        for (const { span } of diagnostics) assert.ok(0 <= span.start && span.start <= span.end && span.end <= damaged.length);
      }),
      { seed: 5, numRuns: 600 },
    );
  });

  it('offers edits that change the text at their place alone', () => {
    const text = sourceOf('shuffle_dyck2', 'tracr');
    const sites = editSites({ path: 'p.py', text });
    assert.ok(sites.length > 30);
    for (const { span, alternatives } of sites) {
      for (const newText of alternatives) assert.notEqual(applyEdits(text, [{ span, newText }]), text);
    }
  });
});

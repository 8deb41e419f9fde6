// Programs compiled to transformer weights compute what the interpreter computes, through onnxruntime.
import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { BaseProgram } from '../../bench/raspbugs/programs.ts';
import { basePrograms, fileNameOf, sourceOf } from '../../bench/raspbugs/programs.ts';
import { encodeInputs } from '../../src/numeric/compiledModel.ts';
import { describeWeights, exportWeights } from '../../src/numeric/exportModel.ts';
import { compileWeights } from '../../src/numeric/weights/compile.ts';
import type { CompileOptions } from '../../src/numeric/weights/compile.ts';
import { namedMatrices, transformerGraph } from '../../src/numeric/weights/graph.ts';
import { InspectedTransformer } from '../../src/numeric/weights/inspect.ts';
import type { CompileProblem } from '../../src/numeric/weights/problem.ts';
import { encodeGraph } from '../../src/onnx/encode.ts';
import { programOf } from '../../src/rasp/analyse.ts';
import { analyse } from '../../src/rasp/frontend.ts';
import type { Dialect, Program, Value } from '../../src/rasp/program.ts';
import { Random } from '../../src/shared/random.ts';
import { compareWithInterpreter } from '../support/compiled.ts';
import { execute, sharedHost } from '../support/host.ts';

function load(text: string, path = 'p.rasp'): Program {
  const analysis = analyse({ path, text }, { runningExample: [1, 2] });
  assert.deepEqual(analysis.diagnostics.filter(({ severity, code }) => severity === 'error' && code !== 'evaluation'), []);
  const program = programOf(analysis);
  assert.ok(program);
  return program;
}

const baseOf = (base: BaseProgram, dialect: Dialect): Program => load(sourceOf(base.name, dialect), fileNameOf(base.name, dialect));

/** Every input over the vocabulary up to a length. */
function allInputs(vocabulary: readonly Value[], maxLength: number): Value[][] {
  let last: Value[][] = [[]];
  return Array.from({ length: maxLength }, () => (last = last.flatMap((input) => vocabulary.map((token) => [...input, token])))).flat();
}

async function holds(program: Program, options: CompileOptions, inputs: readonly (readonly Value[])[] = allInputs(options.vocabulary, options.maxLength)): Promise<void> {
  const model = exportWeights(program, options);
  assert.ok(model.ok, model.ok ? '' : model.problem.message);
  const { compared, wrong } = await compareWithInterpreter(program, model, inputs, options.causal);
  assert.deepEqual(wrong, []);
  assert.ok(compared > 0, 'the interpreter accepts some inputs');
}

function refusal(program: Program, options: CompileOptions): CompileProblem {
  const result = compileWeights(program, options);
  assert.ok(!result.ok, 'the program is refused');
  return result.problem;
}

describe('transformer weights', () => {
  for (const base of basePrograms) {
    for (const dialect of ['rasp', 'tracr'] as const) {
      it(`equal the interpreter on 500 inputs of lengths 1 to 10: ${base.name}, ${dialect}`, async () => {
        const random = new Random(21);
        const inputs = Array.from({ length: 500 }, (_, i) => base.sample(random, 1 + (i % 10)));
        await holds(baseOf(base, dialect), { vocabulary: base.vocabulary, maxLength: 10 }, inputs);
      });
    }
  }

  for (const name of ['hist', 'reverse', 'shuffle_dyck2']) {
    it(`equal the interpreter at lengths up to 32: ${name}`, async () => {
      const base = basePrograms.find((other) => other.name === name);
      assert.ok(base);
      const random = new Random(22);
      const inputs = Array.from({ length: 160 }, (_, i) => base.sample(random, 1 + (i % 32)));
      await holds(baseOf(base, 'rasp'), { vocabulary: base.vocabulary, maxLength: 32 }, inputs);
    });
  }

  const small = { vocabulary: [1, 2, 3], maxLength: 4 };
  const programs: Readonly<Record<string, string>> = {
    'a constant': 'x = 5 if 1 == 1 else tokens;\ny = indices * 0 + 7;',
    'the length': 'x = length;',
    'indices': 'x = indices;',
    'tokens as they are': 'x = tokens;',
    'means of several numbers': 'tokens = tokens_int;\nx = aggregate(select(indices, indices, <=), tokens);',
    'means of means': 'tokens = tokens_int;\nm = aggregate(select(indices, indices, <=), indicator(tokens > 1));\nx = aggregate(select(indices, 0, ==) or select(indices, indices, ==), m);',
    'a default where nothing is selected': 'x = aggregate(select(indices, indices - 1, ==), tokens, "-");',
    'a default above 0 beside means': 'tokens = tokens_int;\nx = aggregate(select(tokens, tokens + 1, ==), indices, 9);',
    'a text default beside means': 'tokens = tokens_int;\nx = aggregate(select(tokens, tokens + 1, ==), indices, "none") == "none";',
    'select everything': 'x = selector_width(select(1, 1, ==));',
    'select nothing': 'x = aggregate(select(1, 2, ==), indices, 8);\ny = selector_width(select(1, 2, ==)) + x;',
    'and of different keys': 'x = selector_width(select(tokens, tokens, ==) and select(indices, indices, <));',
    'or of different keys': 'x = selector_width(select(tokens, tokens, ==) or select(indices, indices, <));',
    'not': 'x = selector_width(not select(tokens, tokens, ==));',
    'a nested selector': 'a = select(tokens, tokens, ==);\nb = select(indices, indices, <);\nc = select(indices, length - 1, ==);\nx = selector_width(not (a and b) or (c and not a));',
    'the stable sort of the library': 'x = sort(tokens, tokens);',
    'the sort by a computed key': 'x = sort(tokens, 0 - indices);',
    'booleans': 'x = (tokens == "1") and not (indices == 1);',
    'text': 'x = tokens + "!" if indices % 2 == 0 else "odd";',
    'numbers from two attentions': 'a = aggregate(select(indices, indices, <=), indicator(tokens == "1"));\nb = aggregate(select(indices, indices, >=), indicator(tokens == "2"));\nx = a - b;',
    'a product of two means': 'a = aggregate(select(indices, indices, <=), indicator(tokens == "1"));\nb = aggregate(select(indices, indices, >=), indicator(tokens == "2"));\nx = a * b;',
    'differences that float64 rounds': 'a = aggregate(select(indices, indices, <=), indicator(tokens == "1"));\nb = aggregate(select(indices, indices, <=), indicator(tokens == "2"));\nx = (a - b) == (1 / 3);',
    'counts averaged over counts': 'c = selector_width(select(tokens, tokens, ==));\nx = aggregate(select(c, c, ==), indices);',
    'the position that an index names': 'x = tokens[0] + tokens[-1];',
    'last and first': 'x = select_next_identical(tokens);\ny = aggregate(x, indices, -1);',
  };
  for (const [title, text] of Object.entries(programs)) {
    it(`equal the interpreter on every input up to length 4: ${title}`, () => holds(load(text), small));
  }

  it('keep a None where nothing is selected, through later maps', async () => {
    const text = 'from tracr.rasp import rasp\n\ndef f():\n    shifted = rasp.Aggregate(rasp.Select(rasp.indices, rasp.indices - 1, rasp.Comparison.EQ), rasp.tokens)\n    return rasp.Map(lambda x: x + 1, shifted)\n';
    await holds(load(text, 'p.py'), small);
  });

  it('give numbers for a numerical output, classes for a categorical one', () => {
    const body = (encoding: string): string =>
      `from tracr.rasp import rasp\n\ndef f():\n    flags = rasp.numerical(rasp.Map(lambda x: x == 1, rasp.tokens))\n    return rasp.${encoding}(rasp.Aggregate(rasp.Select(rasp.indices, rasp.indices, rasp.Comparison.LEQ), flags, default=0))\n`;
    const readout = (encoding: string) => {
      const result = compileWeights(load(body(encoding), 'p.py'), small);
      assert.ok(result.ok);
      return result.weights.readout;
    };
    assert.deepEqual(readout('numerical'), { kind: 'values' });
    const categorical = readout('categorical');
    assert.ok(categorical.kind === 'logits' && categorical.classes.length === 7);
  });

  it('equal the causal interpreter: prefix counts, means and complements', async () => {
    for (const text of ['x = selector_width(select(1, 1, ==));', 'tokens = tokens_int;\nx = aggregate(select(1, 1, ==), tokens);', 'x = selector_width(not select(tokens, tokens, ==) or select(indices, indices, >));']) {
      await holds(load(text), { ...small, causal: true });
    }
  });

  it('refuse the length of the whole input where later positions are hidden', () => {
    const problem = refusal(load('x = length;'), { ...small, causal: true });
    assert.equal(problem.code, 'causal');
    assert.match(problem.message, /selector_width/);
  });

  it('name the op, the sizes and the limit where values explode', () => {
    const problem = refusal(load('tokens = tokens_int;\nm = aggregate(select(indices, indices, <=), tokens * tokens * indices);\nwide = aggregate(select(indices, indices, >=), m * m);'), { vocabulary: [1, 2, 3, 4, 5, 6, 7], maxLength: 20 });
    assert.equal(problem.code, 'explosion');
    assert.ok(problem.node && problem.limit);
    assert.match(problem.message, /limit/);
  });

  it('name two values that 32-bit floats cannot tell apart', () => {
    const problem = refusal(load('tokens = tokens_int;\nmean = aggregate(select(indices, indices, <=), tokens);\nx = mean == 1;'), { vocabulary: [0, 1, 1_000_000], maxLength: 4 });
    assert.equal(problem.code, 'precision');
    assert.match(problem.message, /^mean has to tell 0\.75 from 1,|^x has to tell 0\.75 from 1,/);
  });

  it('refuse a vocabulary with BOS, with a token twice, or without any', () => {
    const program = load('x = tokens;');
    for (const vocabulary of [['a', 'BOS'], ['a', 'b', 'a'], [1, true], []]) assert.equal(refusal(program, { vocabulary, maxLength: 3 }).code, 'vocabulary');
    assert.equal(refusal(program, { vocabulary: ['a'], maxLength: 0 }).code, 'vocabulary');
  });

  it('say so where a program fails on every input over the vocabulary', () => {
    assert.match(refusal(load('tokens = tokens_int;\nx = tokens + 1;'), { vocabulary: ['a', 'b'], maxLength: 3 }).message, /fails on every input/);
  });

  it('show who attends to whom and what the residual stream holds', async () => {
    const compiled = compileWeights(load('same = select(tokens, tokens, ==);\ncounted = selector_width(same);\nmany = aggregate(select(indices, indices, <=), counted);'), { vocabulary: ['a', 'b'], maxLength: 4 });
    assert.ok(compiled.ok);
    const transformer = await InspectedTransformer.open(compiled.weights, sharedHost());
    const { embedding, layers, output } = await transformer.run(['a', 'b', 'a']);
    await transformer.dispose();
    assert.deepEqual(output, [2, 1.5, 5 / 3]);
    assert.deepEqual(embedding[2]?.map(({ label }) => label), ['tokens', 'indices', 'one']);
    assert.deepEqual(layers.flatMap(({ heads }) => heads.map(({ label }) => label)), ['counted', 'many']);
    const last = layers.at(-1);
    const rows = last?.heads[0]?.probabilities ?? [];
    const expected = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 1 / 2, 1 / 2, 0], [0, 1 / 3, 1 / 3, 1 / 3]];
    rows.forEach((row, q) => row.forEach((p, k) => assert.ok(Math.abs(p - (expected[q]?.[k] ?? Number.NaN)) < 1e-6, `${q} attends to ${k} with ${p}`)));
    assert.equal(rows.length, 4);
    const counts = layers[0]?.residual.map((position) => position.flatMap((reading) => (reading.label === 'counted' && reading.kind === 'values' ? reading.values : [])));
    assert.deepEqual(counts, [[], [2], [1], [2]]);
    const means = last?.residual.map((position) => position.find(({ label, kind }) => label === 'many' && kind === 'number'));
    assert.ok(Math.abs((means?.[2]?.kind === 'number' ? means[2].number : 0) - 1.5) < 1e-6);
  });

  it('can be inputs of the graph, and a smaller logit scale mixes what the selector keeps apart', async () => {
    const compiled = compileWeights(load('x = aggregate(select(indices, indices, ==), indicator(tokens == "1"));'), small);
    assert.ok(compiled.ok);
    const { weights } = compiled;
    const graph = transformerGraph(weights, { weightsAsInputs: [...namedMatrices(weights).keys()], logitScale: true, activations: true });
    const matrices = Object.fromEntries([...namedMatrices(weights)].map(([name, { rows, columns, data }]) => [name, { type: 'float32' as const, dims: [rows, columns], data }]));
    const ownAttention = async (scale: number): Promise<number> => {
      const { tokens } = encodeInputs(describeWeights(weights), [[1, 2]]);
      const outputs = await execute(encodeGraph(graph), { ...matrices, tokens, logitScale: { type: 'float32', dims: [], data: Float32Array.of(scale) } });
      return Number(outputs['layer0/attention/probabilities']?.data[4]);
    };
    assert.ok(Math.abs((await ownAttention(1)) - 1) < 1e-6);
    const own = 1 / (1 + Math.exp(-1) + Math.exp(-2));
    assert.ok(Math.abs((await ownAttention(1 / 32)) - own) < 1e-6, 'softmax of 0, −1 (BOS) and −2');
  });
});

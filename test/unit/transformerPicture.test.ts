// The picture of a compiled transformer says what the interpreter says; what cannot be shown is a problem with its place.
import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { readExamples } from '../../src/repair/examples.ts';
import type { PictureAnswer } from '../../src/repair/transformerRequest.ts';
import { modelOf, Transformers } from '../../src/repair/transformerRequest.ts';
import type { WorkerFile } from '../../src/repair/workerProtocol.ts';
import { readDescription } from '../../src/numeric/compiledModel.ts';
import { decodeModel } from '../../src/onnx/decode.ts';
import { analyse } from '../../src/rasp/frontend.ts';
import { Evaluation } from '../../src/rasp/interpret.ts';
import type { Definition } from '../../src/rasp/analyse.ts';
import { isSelector } from '../../src/rasp/program.ts';
import { cell } from '../../src/rasp/valueText.ts';
import { Random } from '../../src/shared/random.ts';
import type { TransformerProblem, TransformerSettings } from '../../src/shared/transformerMessages.ts';
import type { PicturedDirections, TransformerPicture } from '../../src/shared/transformerPicture.ts';
import { sharedHost } from '../support/host.ts';

const noFile = (): undefined => undefined;
const examplesOf = ({ path, text }: WorkerFile) => readExamples({ source: { path, text }, readSource: noFile }).examples;
const transformers = new Transformers(examplesOf, noFile, sharedHost);

const fileOf = (text: string): WorkerFile => ({ path: 'p.rasp', text, dialect: 'rasp' });
const open = (text: string, settings: TransformerSettings | null = null, offset = text.length): Promise<PictureAnswer> => transformers.picture({ file: fileOf(text), offset, settings });

const abc: TransformerSettings = { input: 'abcab', vocabulary: 'abc', maxLength: 6, causal: false };

async function pictureOf(text: string, settings: TransformerSettings = abc): Promise<TransformerPicture> {
  const answer = await open(text, settings);
  assert.ok(answer.ok, answer.ok ? '' : answer.problem.message);
  return answer.picture;
}

async function problemOf(text: string, settings: TransformerSettings | null): Promise<TransformerProblem> {
  const answer = await open(text, settings);
  assert.ok(!answer.ok, 'there is a problem');
  return answer.problem;
}

function definitionsOf(text: string): ReadonlyMap<string, Definition> {
  return new Map(analyse(fileOf(text)).definitions.map((definition) => [definition.name, definition]));
}

const inputs = (count: number): string[] => {
  const random = new Random(5);
  return Array.from({ length: count }, (_, i) => Array.from({ length: 1 + (i % 6) }, () => 'abc'[random.integer(0, 2)] ?? 'a').join(''));
};

const directionsOf = ({ embedding, layers }: TransformerPicture): readonly PicturedDirections[] => [...embedding, ...layers.flatMap(({ attended, computed }) => [...attended, ...computed])];

const programs = [
  'same = select(tokens, tokens, ==);\nhist = selector_width(same);\nx = hist + 1;',
  'before = select(tokens, tokens, <) or (select(tokens, tokens, ==) and select(indices, indices, <));\nplace = selector_width(before);\nx = aggregate(select(place, indices, ==), tokens);',
  'flip = select(indices, length - 1 - indices, ==);\nx = aggregate(flip, tokens);',
  'share = aggregate(select(indices, indices, <=), indicator(tokens == "a"));\nx = share > 0.4;',
];

describe('the picture of a transformer', () => {
  it('has attention rows that sum to 1, over BOS and the input', async () => {
    for (const text of programs) {
      const { layers, input } = await pictureOf(text);
      const rows = layers.flatMap(({ heads }) => heads.flatMap(({ probabilities }) => probabilities));
      assert.ok(rows.length > 0);
      for (const row of rows) {
        assert.equal(row.length, input.length + 1);
        assert.ok(Math.abs(row.reduce((sum, p) => sum + p, 0) - 1) < 1e-5);
      }
    }
  });

  it('shows a head attending evenly to the keys that the selector selects, and to BOS where it selects none', async () => {
    const text = 'chosen = select(tokens, tokens, <) and select(indices, indices, <);\nx = aggregate(chosen, indicator(tokens == "a"));';
    const node = definitionsOf(text).get('chosen')?.node;
    assert.ok(node && isSelector(node));
    let selected = 0;
    for (const input of inputs(18)) {
      const { layers } = await pictureOf(text, { ...abc, input });
      const heads = layers.flatMap((layer) => layer.heads);
      assert.deepEqual(heads.map(({ op, selector, selectorPlace }) => [op, selector, selectorPlace?.line]), [['x', 'chosen', 1]]);
      const evaluation = new Evaluation('rasp', [...input]);
      evaluation.evaluate(node);
      evaluation.matrix(node).forEach((row, q) => {
        const width = row.filter(Boolean).length;
        selected += width;
        const expected = [width === 0 ? 1 : 0, ...row.map((on) => (on ? 1 / width : 0))];
        const given = heads[0]?.probabilities[q + 1] ?? [];
        expected.forEach((p, k) => assert.ok(Math.abs((given[k] ?? Number.NaN) - p) < 1e-5, `${input}: ${q} attends to ${k} with ${given[k]}, not ${p}`));
      });
    }
    assert.ok(selected > 10, 'something is selected');
  });

  it('names the directions and decodes them to the values that the interpreter computes', async () => {
    for (const text of programs) {
      const definitions = definitionsOf(text);
      const seen = new Set<string>();
      for (const input of inputs(8)) {
        const picture = await pictureOf(text, { ...abc, input });
        for (const { op, cells } of directionsOf(picture)) {
          const node = definitions.get(op)?.node;
          if (!node || isSelector(node)) continue;
          const evaluation = new Evaluation('rasp', [...input]);
          evaluation.evaluate(node);
          const values = evaluation.sequence(node).values.map((value) => cell(value));
          cells.slice(1).forEach((shown, p) => assert.ok(shown.split(' | ').includes(values[p] ?? '?') || shown.startsWith('one of '), `${text}: ${op} on ${input} at ${p} is ${values[p]}, not ${shown}`));
          seen.add(op);
        }
        assert.deepEqual(picture.interpreted, { ok: true, output: picture.output });
      }
      assert.ok(seen.size > 0, `${text}: some directions have a name of the source`);
    }
  });

  it('shows tokens and positions in the embedding, and the sizes of the model', async () => {
    const { embedding, shape } = await pictureOf(programs[0] ?? '');
    const row = (name: string) => embedding.find(({ op }) => op === name)?.cells;
    assert.deepEqual(row('tokens'), ['', 'a', 'b', 'c', 'a', 'b']);
    assert.deepEqual(row('indices'), ['', '0', '1', '2', '3', '4']);
    assert.equal(shape.dModel, directionsOf(await pictureOf(programs[0] ?? '')).reduce((sum, { count }) => sum + count, 0));
  });

  it('lets no query attend to a later key where later positions are hidden', async () => {
    const { layers } = await pictureOf('x = selector_width(select(tokens, tokens, ==));', { ...abc, causal: true });
    const rows = layers[0]?.heads[0]?.probabilities ?? [];
    assert.equal(rows.length, 6);
    rows.forEach((row, q) => row.forEach((p, k) => assert.ok(k <= q || p === 0)));
  });

  it('takes the tokens and lengths of the examples, and the program at the cursor', async () => {
    const text = 'a = tokens;\nb = indices;\n#: "cab" -> "abc"\n#: "abcabcabcabc" -> "abcabcabcabc"\n';
    const answer = await open(text, null, text.indexOf('tokens'));
    assert.ok(answer.ok);
    assert.deepEqual([answer.name, answer.settings], ['a', { input: '"cab"', vocabulary: '"abc"', maxLength: 12, causal: false }]);
    const numbers = await open('x = tokens;\n#: [10, 9] -> [9, 10]\n');
    assert.deepEqual(numbers.settings, { input: '[10, 9]', vocabulary: '[9, 10]', maxLength: 10, causal: false });
  });

  it('says that the interpreter refuses an input', async () => {
    const { interpreted } = await pictureOf('x = 1 / (indices - 3);');
    assert.ok(!interpreted.ok && /division by zero/u.test(interpreted.message));
  });
});

describe('what cannot be pictured', () => {
  const x = 'y = indices;\nx = tokens;\n';
  const problems: readonly [string, string, Partial<TransformerSettings>, RegExp, Partial<TransformerProblem> & { line?: number }][] = [
    ['a token outside the vocabulary', x, { input: 'abd' }, /d.* is not in the model's vocabulary/, { field: 'input' }],
    ['an input that is too long', x, { input: 'abcabca' }, /7 tokens, .*compiled for 6/, { field: 'input' }],
    ['an empty input', x, { input: ' ' }, /input is empty/, { field: 'input' }],
    ['an input that cannot be read', x, { input: '[1, 2' }, /list of the input/, { field: 'input' }],
    ['a vocabulary with a token twice', x, { vocabulary: 'abca' }, /twice/, { field: 'vocabulary' }],
    ['a length that is none', x, { maxLength: 0 }, /whole number above 0/, { field: 'maxLength' }],
    ['a length that cannot be looked at', x, { maxLength: 500 }, /up to 64/, { field: 'maxLength' }],
    ['the whole length where later positions are hidden', 'y = indices;\nx = length + y;\n', { causal: true }, /causal model cannot see/, { field: null, line: 2 }],
    ['values that explode', 'm = aggregate(select(indices, indices, <=), indices * indices * indices);\nw = aggregate(select(indices, indices, >=), m * m);\n', { maxLength: 40 }, /too many value combinations/, { field: null }],
    ['an error in the text', 'y = indices;\nx = nothing;\n', {}, /nothing/, { field: null, line: 2 }],
    ['a text without a program', '# nothing\n', {}, /no s-op/, { field: null }],
  ];
  for (const [title, text, change, message, { line, ...expected }] of problems) {
    it(`is told in words, with the field or the line: ${title}`, async () => {
      const problem = await problemOf(text, { ...abc, ...change });
      assert.match(problem.message, message);
      assert.equal(problem.field, expected.field);
      if (line !== undefined) assert.equal(problem.place?.line, line);
      if (/explode/u.test(title)) assert.ok((problem.place?.line ?? 0) >= 1);
    });
  }
});

describe('the exported model', () => {
  it('carries its vocabulary, classes and source', () => {
    const answer = modelOf({ file: fileOf('x = tokens;\n#: "ab" -> "ab"\n'), offset: 0, settings: null }, examplesOf, noFile);
    assert.ok(answer.ok);
    const decoded = decodeModel(answer.model, 'x.onnx');
    assert.ok(decoded.ok);
    const description = readDescription(decoded.graph.metadata);
    assert.ok(typeof description !== 'string');
    assert.deepEqual(description.vocab, ['BOS', 'a', 'b']);
    assert.deepEqual([description.maxLength, description.source?.entry, description.source?.file], [10, 'x', 'p.rasp']);
  });
});

// The twin pairs, and the files that labelled statements come in.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, it } from 'mocha';
import { contradictionDomains, twinExamples } from '../../../bench/probes/contradictions.ts';
import { isHeldOut } from '../../../scripts/train-models/corpus/split.ts';
import { readExamples, readHaluEval, readRagTruth, statementOf } from '../../../src/probes/dataset.ts';
import { auroc } from '../../../src/probes/metrics.ts';
import { sentencesOf } from '../../../src/probes/sentences.ts';

const haluEval = ['../../../../shared/data/halueval/', '../../../../../shared/data/halueval/'].map((place) => fileURLToPath(new URL(place, import.meta.url))).find(existsSync);

describe('twin pairs', () => {
  const examples = twinExamples({ seed: 5, pairs: 400 });

  it('are the same for a seed and others for another', () => {
    assert.deepEqual(twinExamples({ seed: 5, pairs: 12 }), examples.slice(0, 24));
    assert.notDeepEqual(twinExamples({ seed: 6, pairs: 12 }), examples.slice(0, 24));
  });

  it('share their context and differ in one place alone', () => {
    for (let i = 0; i < examples.length; i += 2) {
      const twins = examples.slice(i, i + 2);
      assert.deepEqual(twins.map(({ label }) => label).sort(), [0, 1]);
      assert.equal(new Set(twins.map(({ context, group }) => `${group} ${context}`)).size, 1);
      const [a = '', b = ''] = twins.map(({ continuation }) => continuation);
      assert.notEqual(a, b);
      assert.equal(a.at(-1), '.');
      assert.equal(b.at(-1), '.');
    }
  });

  it('have every domain and both kinds of falsehood as often, and no context twice', () => {
    for (const domain of contradictionDomains) {
      for (const falsehood of ['exchanged', 'invented']) assert.equal(examples.filter((example) => example.domain === domain && example.falsehood === falsehood).length, 100);
    }
    assert.equal(new Set(examples.map(({ context }) => context)).size, 400);
  });

  it('say a value that stands in the context where it is exchanged, and else not', () => {
    for (const { label, falsehood, context, continuation } of examples.filter(({ domain }) => domain === 'change log' || domain === 'data sheet')) {
      const numbers = continuation.match(/\b\d{2,}\b/g)?.filter((number) => !/[A-Z]/.test(number)) ?? [];
      if (label === 1 && falsehood === 'exchanged') for (const number of numbers) assert.ok(new RegExp(`\\b${number}\\b`).test(context), `${context} / ${continuation}`);
    }
  });

  it('have only names and numbers that are held out of the training text', () => {
    for (const { context } of examples.filter(({ domain }) => domain === 'data sheet')) for (const part of context.match(/\b[A-Z]{2}\d{3}\b/g) ?? []) assert.ok(isHeldOut(part), part);
  });

  it('cannot be told apart by their length', () => {
    const found = auroc(examples.map(({ continuation }) => continuation.length), examples.map(({ label }) => label))(examples.map(() => 1));
    assert.ok(Math.abs(found - 0.5) < 0.04, String(found));
  });
});

describe('files of statements', () => {
  it('are read row by row; what is wrong is named by its line', () => {
    const { examples, problems } = readExamples([
      '{"context": "C.", "continuation": "S.", "label": 0}', '', '{"context": "C.", "continuation": "One. S.", "from": 5, "label": true, "id": 7, "group": "g", "domain": "d"}',
      '{', '{"context": "C.", "continuation": " ", "label": 0}', '{"context": "C.", "continuation": "S.", "label": 2}', '{"continuation": "S.", "label": 1}', '{"context": "", "continuation": "S.", "from": 9, "label": 1}',
    ].join('\r\n'));
    assert.deepEqual(examples, [
      { id: 'line 1', group: 'C.', domain: 'examples', context: 'C.', continuation: 'S.', from: 0, label: 0 },
      { id: '7', group: 'g', domain: 'd', context: 'C.', continuation: 'One. S.', from: 5, label: 1 },
    ]);
    assert.equal(statementOf(examples[1] ?? assert.fail()), 'S.');
    assert.deepEqual(problems.map(({ line }) => line), [4, 5, 6, 7, 8]);
    assert.deepEqual(problems.map(({ message }) => message.slice(0, 18)), ['is no JSON', '“continuation”: is', '“label”: Invalid l', '“context”: Invalid', 'nothing of the con']);
  });

  it('of HaluEval give two examples a row, which end alike', () => {
    const row = { knowledge: 'K.', question: 'Q?', right_answer: 'Delhi', hallucinated_answer: 'It is Mumbai.' };
    const { examples, problems } = readHaluEval(`${JSON.stringify(row)}\n{"knowledge": "K."}\n`);
    assert.deepEqual(examples.map(({ continuation, label, group, context }) => [continuation, label, group, context]), [['Delhi.', 0, 'K.', 'K.\nQuestion: Q?\nAnswer:'], ['It is Mumbai.', 1, 'K.', 'K.\nQuestion: Q?\nAnswer:']]);
    assert.deepEqual(problems.map(({ line, message }) => [line, /question/.test(message)]), [[2, true]]);
  });

  it('of HaluEval are told apart by the answer\'s length alone', function () {
    if (haluEval === undefined) this.skip();
    const { examples, problems } = readHaluEval(readFileSync(`${haluEval}qa_one-turn_data.json`, 'utf8'));
    assert.deepEqual([examples.length, problems], [1000, []]);
    assert.ok(auroc(examples.map(({ continuation }) => continuation.length), examples.map(({ label }) => label))(examples.map(() => 1)) > 0.9);
  });

  it('of RAGTruth give an example for each sentence, unsupported where a span touches it', () => {
    const response = 'Mira has 4 hens. She lives in Rome. She is old.';
    const at = response.indexOf('Rome');
    const sources = [{ source_id: '1', task_type: 'Summary', source_info: 'Mira has 4 hens.' }, { source_id: 2, task_type: 'QA', source_info: { question: 'Who?', passages: 'Mira.' } }];
    const responses = [{ id: 'r', source_id: 1, response, labels: [{ start: at, end: at + 4, label_type: 'Evident Baseless Info' }] }, { id: 's', source_id: '2', response: 'Mira.', labels: [] }, { id: 't', source_id: '3', response: 'X.', labels: [] }, { id: 'u', source_id: '1', labels: [] }];
    const lines = (rows: readonly unknown[]): string => rows.map((row) => JSON.stringify(row)).join('\n');
    const { examples, problems, sourceProblems } = readRagTruth(lines(responses), lines([...sources, {}]), sentencesOf);
    assert.deepEqual(examples.map((example) => [statementOf(example), example.label, example.group, example.domain]), [
      ['Mira has 4 hens.', 0, '1', 'RAGTruth Summary'], ['She lives in Rome.', 1, '1', 'RAGTruth Summary'], ['She is old.', 0, '1', 'RAGTruth Summary'], ['Mira.', 0, '2', 'RAGTruth QA'],
    ]);
    assert.equal(examples[3]?.context, 'question: Who?\npassages: Mira.');
    assert.deepEqual(problems.map(({ line }) => line), [3, 4]);
    assert.deepEqual(sourceProblems.map(({ line }) => line), [3]);
  });
});

// The steering benchmark's data: rows of CSV, TruthfulQA's parts, questions and their answers.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, it } from 'mocha';
import { csvRows } from '../../../bench/steer/csv.ts';
import { answersByKind, askedQuestion, regimes } from '../../../bench/steer/questions.ts';
import { countText, markdown } from '../../../bench/steer/report.ts';
import type { SteerRow } from '../../../bench/steer/report.ts';
import { questionSplits } from '../../../bench/steer/tinyCode.ts';
import { truthfulQuestions, truthfulSplits } from '../../../bench/steer/truthfulqa.ts';
import { Random } from '../../../src/shared/random.ts';
import { leaksOf } from '../../../src/steering/splits.ts';
import { openedFolder } from './steered.ts';

const data = ['../../../../shared/data/truthfulqa/', '../../../../../shared/data/truthfulqa/'].map((place) => fileURLToPath(new URL(place, import.meta.url))).find((place) => existsSync(`${place}TruthfulQA.csv`));

describe('the steering benchmark', () => {
  it('reads comma-separated values with quotes, commas and line breaks in cells', () => {
    assert.deepEqual(csvRows('a,b\r\n1,"x, ""y""\nz"\n,last'), [{ a: '1', b: 'x, "y"\nz' }, { a: '', b: 'last' }]);
    assert.deepEqual(csvRows('a\nb\n'), [{ a: 'b' }]);
  });

  it('reads TruthfulQA as its own multiple-choice file has it, and no question stands in two parts', function () {
    if (data === undefined) this.skip();
    const questions = truthfulQuestions(readFileSync(`${data}TruthfulQA.csv`, 'utf8'));
    const tasks = JSON.parse(readFileSync(`${data}mc_task.json`, 'utf8')) as { question: string; mc0_targets: Record<string, number> }[];
    assert.equal(questions.length, tasks.length);
    const same = tasks.filter(({ question, mc0_targets: targets }, i) => questions[i]?.question === question.trim() && Object.keys(targets).length === 2 && targets[questions[i]?.best ?? ''] === 1 && targets[questions[i]?.bestWrong ?? ''] === 0);
    assert.ok(same.length > 0.97 * tasks.length, `${same.length} of ${tasks.length} are the same`);
    const splits = truthfulSplits(questions, 1);
    assert.deepEqual(leaksOf(splits, ({ question }) => [question]), []);
    assert.deepEqual([splits.build.length, splits.validation.length], [50, 40]);
    assert.ok(splits.test.length > 600);
  });

  it('asks for what the context says, and tests no question that a vector or a setting comes from', () => {
    const { folder, tokenizer } = openedFolder('tiny-code');
    const answers = answersByKind(new Random(1));
    for (const regime of regimes) {
      const item = askedQuestion(regime, new Random(5), 'training', answers);
      assert.ok(item.prompt.endsWith(`Question: ${item.question}\nAnswer:`));
      assert.ok(!item.others.includes(item.preferred) && !item.others.includes(item.dispreferred) && item.others.length >= 8);
      if (regime.name !== 'misprinted') assert.ok(item.prompt.includes(item.preferred));
      const splits = questionSplits(regime, tokenizer, folder.sizes.context, answers, 1);
      const asked = ({ question, preferred }: { question: string; preferred: string }): readonly string[] => [`${question}${preferred}`];
      assert.deepEqual(leaksOf({ build: [...splits.build, ...splits.validation], validation: [], test: splits.test }, asked), []);
      assert.equal(splits.test.length, 500);
    }
  });

  it('writes rates with their intervals, and the spread of random vectors', () => {
    assert.equal(countText({ hits: 50, items: 100 }), '50.0 % [40.4, 59.6]');
    const row = (method: string, hits: number): SteerRow => ({ part: 'p', setting: 's', method, about: 'a', key: 'k', layers: [1, 2], strength: 0.5, validation: { unsteered: 0.5, best: 0.6 }, test: { right: { hits, items: 100 } }, margin: 1, nll: 0.25 });
    const text = markdown({ machine: { CPU: 'x' }, parts: [{ part: 'p', about: ['about p'], notes: { s: ['note'] }, minutes: 1 }], rows: [row('GrAInS', 60), row('random vector 1', 50), row('random vector 2', 40), { ...row('rule', 10), validation: null, margin: null, nll: null }], overhead: [{ model: 'm', plain: { wall: [1, 1, 2], processor: [2, 2, 2] }, steered: { wall: [1.1, 1.05, 2], processor: [2, 3, 4] } }] });
    assert.match(text, /\| GrAInS \| 1 2 \| 0\.5 \| 60\.0 % \| 60\.0 % \[50\.2, 69\.1\] \| 1\.00 \| 0\.250 \|/);
    assert.match(text, /Of the 2 random vectors: right 45\.0 % on average, 40\.0 to 50\.0 %/);
    assert.match(text, /\| m \| 1000 \| 1100 \| 5\.0 % \(0\.0 to 10\.0\) \| 2000 \| 3000 \| 50\.0 % \(0\.0 to 100\.0\) \|/);
  });
});

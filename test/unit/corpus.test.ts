// The generators of the training text: what they promise of each item, and what they keep out.
import assert from 'node:assert/strict';
import { BytePairEncoding, trainMerges } from '../../scripts/train-models/bpe.ts';
import { documentAt, documentKinds } from '../../scripts/train-models/corpus/documents.ts';
import { domains } from '../../scripts/train-models/corpus/facts.ts';
import { languageOf } from '../../scripts/train-models/corpus/languageOf.ts';
import * as names from '../../scripts/train-models/corpus/names.ts';
import { languages } from '../../scripts/train-models/corpus/programSyntax.ts';
import { drawLanguage, languagePrior, programTask } from '../../scripts/train-models/corpus/programTasks.ts';
import { sameProgram } from '../../scripts/train-models/corpus/sameProgram.ts';
import { temptingQuestion, temptingScene } from '../../scripts/train-models/corpus/questions.ts';
import { isHeldOut, numberOf } from '../../scripts/train-models/corpus/split.ts';
import { contradictionPair, statementsAbout } from '../../scripts/train-models/corpus/statements.ts';
import { Random } from '../../src/shared/random.ts';

const times = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));
const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
/** Does the text say the value, as a whole word? */
const says = (text: string, value: string): boolean => new RegExp(`(?<![\\w.])${escaped(value)}(?![\\w]|\\.\\d)`).test(text);

describe('pairs of statements', () => {
  for (const domain of domains) {
    it(`differ only in the value that contradicts, in a ${domain}`, () => {
      const random = new Random(1);
      for (const pair of times(400, () => contradictionPair(random, domain, 'training'))) {
        assert.notEqual(pair.trueValue, pair.falseValue);
        const at = pair.faithful.indexOf(pair.trueValue);
        assert.ok(times(pair.faithful.length, (i) => i).some((i) => i >= at && pair.faithful.startsWith(pair.trueValue, i)
          && pair.faithful.slice(0, i) + pair.falseValue + pair.faithful.slice(i + pair.trueValue.length) === pair.contradicting), JSON.stringify(pair));
      }
    });

    it(`say what the context says, or what it does not, in a ${domain}`, () => {
      const random = new Random(2);
      for (const { context, trueValue, falseValue, falsehood } of times(400, () => contradictionPair(random, domain, 'held-out'))) {
        assert.ok(says(context, trueValue), `${context} says ${trueValue}`);
        assert.equal(says(context, falseValue), falsehood === 'exchanged', `${context} and ${falseValue}`);
      }
    });
  }

  it('come as often as asked for in the training text', () => {
    const random = new Random(3);
    const all = times(1500, () => statementsAbout(random, 'story', 'training', { faithfulShare: 0.9, sharing: 0.7 }).statements).flat();
    const share = all.filter(({ faithful }) => faithful).length / all.length;
    assert.ok(Math.abs(share - 0.9) < 0.02, `${share}`);
  });
});

describe('tempting questions', () => {
  it('have their answer in the context and their temptation not', () => {
    const random = new Random(4);
    for (const { context, question, answer, temptation } of times(500, () => temptingQuestion(random, 'held-out'))) {
      assert.ok(says(context, answer));
      assert.ok(!says(context, temptation), `${context} ${question} ${temptation}`);
    }
  });

  it('ask about each thing that the context tells of', () => {
    const random = new Random(5);
    for (const { context, questions } of times(200, () => temptingScene(random, 'training'))) {
      assert.ok(questions.length >= 2);
      assert.equal(new Set(questions.map(({ answer }) => answer)).size, questions.length);
      assert.ok(questions.every(({ answer }) => says(context, answer)));
    }
  });
});

describe('programs', () => {
  it('are recognised in each language, held-out ones too', () => {
    const random = new Random(6);
    for (const task of times(500, () => programTask(random, 'held-out'))) {
      for (const language of languages) assert.equal(languageOf(task.programs[language]), language, task.programs[language]);
    }
  });

  it('are of no language when cut off inside a block, mixed, or no programs', () => {
    assert.equal(languageOf('function f(x)\n    for i in 1:n\n        s += i\n    end'), null);
    assert.equal(languageOf('int main() {\n    return 0;'), null);
    assert.equal(languageOf('def f(x):\n    std::cout << x << std::endl;'), null);
    assert.equal(languageOf('for i in range(1, n + 1):\n    println(i)\nend'), null);
    assert.equal(languageOf('The sum of the numbers from a to b.'), null);
    assert.equal(languageOf(''), null);
  });

  it('do the same in every language', () => {
    const task = times(4000, (i) => programTask(new Random(i), 'training')).find(({ description }) => description === 'count the numbers from a to b that are even');
    assert.ok(task);
    const plain = (text: string): string => text.replaceAll(/\b[ijk]\b/g, 'i').replaceAll(/\b(?:total|result|sum)\b/g, 's');
    assert.deepEqual(languages.map((language) => plain(task.programs[language])), [
      'def count_numbers(a, b):\n    s = 0\n    for i in range(a, b + 1):\n        if i % 2 == 0:\n            s += 1\n    return s',
      'int count_numbers(int a, int b) {\n    int s = 0;\n    for (int i = a; i <= b; i++) {\n        if (i % 2 == 0) {\n            s += 1;\n        }\n    }\n    return s;\n}',
      'function count_numbers(a, b)\n    s = 0\n    for i in a:b\n        if i % 2 == 0\n            s += 1\n        end\n    end\n    return s\nend',
      'function s = count_numbers(a, b)\n    s = 0;\n    for i = a:b\n        if mod(i, 2) == 0\n            s = s + 1;\n        end\n    end\nend',
    ]);
  });

  it('are the same when only names differ that the task does not give', () => {
    const task = 'add the numbers in x';
    const program = 'def sum_numbers(x):\n    total = 0\n    for v in x:\n        total += v\n    return total';
    assert.ok(sameProgram('def compute(t):\n    return t * 2', 'def formula(t):\n    return t * 2', 'compute t times 2'), 'names of functions are free');
    assert.ok(sameProgram(program, program.replaceAll('total', 'sum').replaceAll(/\bv\b/g, 'item'), task));
    assert.ok(!sameProgram(program, program.replaceAll(/\bx\b/g, 'data'), task), 'another name than the task gives');
    assert.ok(!sameProgram(program, program.replace('return total', 'return v'), task), 'another variable');
    assert.ok(!sameProgram(program, program.replace('+=', '*='), task), 'another operation');
  });

  it('have a prompt that names no language, and come in the languages as the prior says', () => {
    const random = new Random(7);
    assert.ok(times(300, () => programTask(random, 'training').prompt).every((prompt) => !/Python|C\+\+|Julia|MATLAB/.test(prompt)));
    const drawn = times(20_000, () => drawLanguage(random));
    for (const language of languages) assert.ok(Math.abs(drawn.filter((one) => one === language).length / 20_000 - languagePrior[language]) < 0.015);
  });
});

describe('the corpus', () => {
  it('is the same from the same seed and another from another', () => {
    const texts = (seed: number): string[] => times(200, (i) => documentAt(seed, i, 'training').text);
    assert.deepEqual(texts(11), texts(11));
    const others = texts(12);
    assert.ok(texts(11).filter((text, i) => text === others[i]).length < 5);
  });

  it('has every kind of document, and marks in each what the context decides', () => {
    const documents = times(500, (i) => documentAt(1, i, 'training'));
    assert.deepEqual([...new Set(documents.map(({ kind }) => kind))].sort(), [...documentKinds].sort());
    for (const { kind, text, pieces } of documents) {
      assert.equal(pieces.map((piece) => piece.text).join(''), text);
      const decided = pieces.filter(({ role }) => role === 'decided');
      assert.equal(decided.length === 0, kind === 'program' || (kind === 'question' && !text.includes('Answer:')), text);
      assert.ok(decided.every((piece) => /^\s?\S+$/.test(piece.text)), JSON.stringify(decided));
    }
  });

  it('has pieces that meet where tokens do', () => {
    const texts = times(150, (i) => documentAt(2, i, 'training'));
    const bpe = new BytePairEncoding(trainMerges(texts.map(({ text }) => text), 500));
    for (const { text, pieces } of texts) assert.deepEqual(pieces.flatMap((piece) => bpe.encode(piece.text)), bpe.encode(text));
  });

  it('names nobody and nothing in training that is held out', () => {
    const random = new Random(8);
    const draws = [names.person, names.place, names.part, names.functionName, names.module];
    const heldOut = new Set(draws.flatMap((draw) => times(3000, () => draw(random, 'held-out'))));
    const words = new Set(times(4000, (i) => documentAt(1, i, 'training').text).flatMap((text) => text.match(/\w+/g) ?? []));
    assert.ok(heldOut.size > 300);
    assert.deepEqual([...words].filter((word) => heldOut.has(word)), []);
  });

  it('shares no task description between its halves', () => {
    const random = new Random(9);
    const descriptions = (split: 'training' | 'held-out'): Set<string> => new Set(times(3000, () => programTask(random, split).description));
    const [training, heldOut] = [descriptions('training'), descriptions('held-out')];
    assert.deepEqual([...heldOut].filter((description) => training.has(description)), []);
    assert.ok(heldOut.size > 200);
  });

  it('holds one in ten out', () => {
    const share = times(20_000, (i) => isHeldOut(`thing ${i}`)).filter(Boolean).length / 20_000;
    assert.ok(Math.abs(share - 0.1) < 0.01, `${share}`);
    const random = new Random(10);
    const numbers = (split: 'training' | 'held-out'): number[] => times(2000, () => numberOf(random, split, 2, 999)).filter((number) => number >= 10);
    const training = new Set(numbers('training'));
    assert.deepEqual(numbers('held-out').filter((number) => training.has(number)), []);
  });
});

// Repair from end to end without an editor: patches in both syntaxes, and every kind of bad input.
import assert from 'node:assert/strict';
import { after, describe, it } from 'mocha';
import { readExamples } from '../../src/repair/examples.ts';
import type { Ranking } from '../../src/repair/gradient.ts';
import { repair } from '../../src/repair/repair.ts';
import { applyEdits } from '../../src/repair/rewrite.ts';
import type { Example, RepairProgress, RepairRequest, RepairResult } from '../../src/repair/types.ts';
import type { Value } from '../../src/rasp/program.ts';
import { CancellationSource, CancelledError } from '../../src/shared/cancellation.ts';
import { Random } from '../../src/shared/random.ts';
import { sharedHost, startHost } from '../support/host.ts';

const examplesFor = (vocabulary: readonly Value[], answer: (input: readonly Value[]) => readonly Value[], count = 80): Example[] => {
  const random = new Random(3);
  return Array.from({ length: count }, () => {
    const input = Array.from({ length: random.integer(1, 8) }, () => random.pick(vocabulary));
    return { input, output: answer(input) };
  });
};

const reversed = examplesFor([...'abcde'], (input) => [...input].reverse());
const counted = examplesFor([...'abcd'], (input) => input.map((token) => input.filter((other) => other === token).length));

const request = (path: string, text: string, examples: readonly Example[], more: Partial<RepairRequest> = {}): RepairRequest => ({ source: { path, text }, examples, budgetMillis: 20_000, ...more });

async function repaired(of: RepairRequest): Promise<RepairResult> {
  const result = await repair(of, { host: sharedHost() });
  assert.ok(result.status !== 'refused', JSON.stringify(result));
  return result;
}

const reverseText = '# from back to front\nopposite = length - indices + 1;   # here\nflip = select(indices, opposite, ==);\nreverse = aggregate(flip, tokens);\n';
const histText = 'from tracr.rasp import rasp\n\n\ndef make_hist():\n    same = rasp.Select(rasp.tokens, rasp.tokens, rasp.Comparison.LT)  # which?\n    return rasp.SelectorWidth(same)\n';

describe('repair', () => {
  it('mends a RASP program with minimal edits that keep comments and layout', async () => {
    const result = await repaired(request('reverse.rasp', reverseText, reversed.slice(0, 60), { test: reversed.slice(60) }));
    assert.equal(result.status, 'repaired');
    assert.deepEqual(result.exact, { examples: 1, test: 1 });
    assert.ok(result.patch);
    assert.equal(applyEdits(reverseText, result.patch.edits), result.patch.source);
    assert.ok(result.patch.source.includes('# from back to front') && result.patch.source.includes('   # here'));
    const touched = result.patch.edits.reduce((sum, { span, newText }) => sum + span.end - span.start + newText.length, 0);
    assert.ok(touched <= 8, result.patch.unifiedDiff);
  });

  it('mends a Tracr program', async () => {
    const result = await repaired(request('hist.py', histText, counted));
    assert.equal(result.status, 'repaired');
    assert.match(result.patch?.source ?? '', /rasp\.Comparison\.EQ\) {2}# which\?/);
  });

  it('names the bug among its first suspects and tells its course', async () => {
    const seen: RepairProgress[] = [];
    const result = await repair(request('hist.py', histText, counted), { host: sharedHost() }, { onProgress: (progress) => seen.push(progress) });
    assert.ok(result.status === 'repaired');
    const at = histText.indexOf('rasp.Select(');
    assert.ok(result.suspects.slice(0, 3).some(({ span }) => span.start === at));
    assert.ok(seen.some(({ suspects }) => suspects && suspects.length > 0));
    assert.ok(result.trajectory.some(({ loss }) => Number.isFinite(loss)));
    const last = result.trajectory.at(-1);
    assert.deepEqual([last?.stage, last?.accuracy, last?.loss], ['verify', 1, 0]);
  });

  it('counts the candidates up to the first patch: fewer with the gradient than in the opposite order', async () => {
    const given = request('hist.py', histText, counted, { method: 'search' });
    const backwards = (ranking: Ranking): Ranking => ({ ...ranking, gains: ranking.gains.map((gains) => gains.map((gain) => -gain)) });
    const guided = await repaired(given);
    const misled = await repair(given, { host: sharedHost(), reorder: backwards });
    assert.ok(misled.status === 'repaired' && guided.firstEvaluations !== null && misled.firstEvaluations !== null);
    assert.ok(guided.firstEvaluations < guided.evaluations && guided.firstEvaluations < misled.firstEvaluations, `${guided.firstEvaluations}, ${misled.firstEvaluations}`);
  });

  for (const method of ['search', 'edits', 'tables'] as const) {
    it(`works by ${method} alone`, async () => {
      const result = await repaired(request('hist.py', histText, counted, { method }));
      assert.equal(result.status, 'repaired', result.tried.join('\n'));
      assert.equal(result.method, method);
    });
  }

  it('says so when the program is right already', async () => {
    const result = await repaired(request('r.rasp', reverseText.replace('+ 1', '- 1'), reversed));
    assert.equal(result.status, 'correct');
    assert.equal(result.patch, null);
  });

  it('tells how far it came with a program that cannot be repaired, and what was tried', async () => {
    const random = new Random(4);
    const noise = reversed.slice(0, 30).map(({ input }) => ({ input, output: input.map(() => random.integer(0, 9)) }));
    const known = new Map(noise.map((example) => [JSON.stringify(example.input), example]));
    const result = await repaired(request('n.rasp', 'a = selector_width(select(tokens, tokens, <));\n', [...known.values()], { budgetMillis: 4000 }));
    assert.ok(result.status === 'partial' || result.status === 'unrepairable');
    assert.equal(result.patch, null);
    assert.ok(result.tried.length >= 2 && result.tried.every((line) => /\d/.test(line)), result.tried.join('\n'));
  });

  it('stops at once when cancelled', async () => {
    const source = new CancellationSource();
    const options = { token: source.token, onProgress: ({ stage }: RepairProgress) => { if (stage === 'search') source.cancel(); } };
    const impossible = reversed.map(({ input }) => ({ input, output: input.map(() => 'z') }));
    await assert.rejects(repair(request('r.rasp', reverseText, impossible), { host: sharedHost() }, options), CancelledError);
  });

  const codeOf = [0, 5, 1, 9, 2, 7, 4, 8, 3];
  const coded = counted.map(({ input, output }) => ({ input, output: output.map((count) => codeOf[Number(count)] ?? null) }));
  const codes = {
    'code.rasp': 'times = selector_width(select(tokens, tokens, ==));\ncode = times + 1;   # by the book\n',
    'code.py': histText.replace('LT)  # which?', 'EQ)').replace('return rasp.SelectorWidth(same)', 'return rasp.Map(lambda times: times + 1, rasp.SelectorWidth(same))'),
  };
  for (const [path, text] of Object.entries(codes)) {
    it(`writes a table that no formula describes as a dictionary (${path})`, async () => {
      const result = await repaired(request(path, text, coded.slice(0, 60), { test: coded.slice(60), method: 'tables' }));
      assert.equal(result.status, 'repaired', result.tried.join('\n'));
      assert.equal(result.method, 'tables');
      assert.match(result.patch?.source ?? '', /\{1: 5, .*\}\[times\]/);
      assert.equal(result.exact.examples, 1);
    });
  }
});

describe('repair of bad input', () => {
  const codes = async (of: RepairRequest): Promise<string[]> => {
    const result = await repair(of, { host: sharedHost() });
    assert.equal(result.status, 'refused');
    if (result.status !== 'refused') return [];
    for (const { message, span } of result.diagnostics) {
      assert.ok(message.length > 15, message);
      assert.ok(span.start <= span.end);
    }
    return result.diagnostics.map(({ code }) => code);
  };

  it('refuses syntax errors where they stand', async () => {
    assert.ok((await codes(request('a.rasp', 'a = select(tokens, ;\n', reversed))).includes('syntax'));
    assert.ok((await codes(request('a.py', 'def f(:\n  return 1\n', reversed))).includes('syntax'));
  });

  it('refuses unknown names', async () => {
    assert.ok((await codes(request('a.rasp', 'a = tokenz;\n', reversed))).some((code) => /name|undefined/.test(code)));
    assert.ok((await codes(request('a.py', 'from tracr.rasp import rasp\ndef f():\n    return rasp.tokenz\n', reversed))).includes('unknown-name'));
  });

  it('refuses files that load each other in a circle', async () => {
    const files: Record<string, string> = { 'a.rasp': 'load "b";\nx = tokens;\n', 'b.rasp': 'load "a";\ny = tokens;\n' };
    const readSource = (path: string): string | undefined => files[path.replace(/^\.?\//, '')];
    const found = await codes(request('a.rasp', files['a.rasp'] ?? '', reversed, { readSource }));
    assert.ok(found.some((code) => /load|cycl/.test(code)), found.join());
  });

  it('refuses contradictory and ill-sized rows by their numbers', async () => {
    const contradictory = [{ input: ['a'], output: ['a'] }, { input: ['a'], output: ['b'] }];
    assert.deepEqual(await codes(request('r.rasp', reverseText, contradictory)), ['contradictory-examples']);
    assert.deepEqual(await codes(request('r.rasp', reverseText, [{ input: ['a', 'b'], output: ['b'] }])), ['example-length']);
    assert.deepEqual(await codes(request('r.rasp', reverseText, [])), ['no-examples']);
  });

  it('refuses an entry that does not exist and lists those that do', async () => {
    const result = await repair(request('r.rasp', reverseText, reversed, { entry: 'revrese' }), { host: sharedHost() });
    assert.ok(result.status === 'refused');
    assert.match(result.diagnostics[0]?.message ?? '', /revrese.*opposite.*reverse/s);
  });

  it('reports malformed rows as diagnostics', () => {
    const { diagnostics, examples } = readExamples({ source: { path: 'r.rasp', text: '#: [1, 2 -> [2, 1]\n#: [1] -> [1]\n#: -> \n' } });
    assert.equal(examples.length, 1);
    assert.equal(diagnostics.length, 2);
  });

  it('names the op, its sizes and the limit when the value sets explode, and still tries the text', async () => {
    const random = new Random(8);
    const many = Array.from({ length: 150 }, () => {
      const input = Array.from({ length: 8 }, () => random.integer(0, 100_000));
      return { input, output: input.map((x, i) => x * (input[input.length - 1 - i] ?? 0)) };
    });
    const text = 'tokens = tokens_int;\nback = aggregate(select(indices, length - indices - 1, ==), tokens);\nproduct = tokens + back;\n';
    const result = await repaired(request('p.rasp', text, many));
    assert.ok(result.tried.some((line) => /line \d .*\d+ × \d+ entries.*limit is \d+/.test(line)), result.tried.join('\n'));
    assert.equal(result.status, 'repaired');
    assert.match(result.patch?.source ?? '', /tokens \* back/);
  });

  it('takes 100,000 examples', async () => {
    const many = examplesFor([...'abcdefgh'], (input) => [...input].reverse(), 100_000);
    const result = await repaired(request('r.rasp', reverseText, many));
    assert.equal(result.status, 'repaired');
    assert.equal(result.exact.examples, 1);
  });
});

describe('repair with a dying host', () => {
  let host = startHost();
  afterEach(() => {
    host.dispose();
    host = startHost();
  });
  after(() => host.dispose());

  it('resumes training when the host is killed in the middle', async () => {
    let kills = 0;
    const options = {
      onProgress: ({ stage }: RepairProgress) => {
        if (stage === 'train' && kills < 2 && host.pid !== undefined) {
          kills++;
          process.kill(host.pid, 'SIGKILL');
        }
      },
    };
    const impossible = reversed.slice(0, 40).map(({ input }) => ({ input, output: input.map(() => 'z') }));
    const result = await repair(request('r.rasp', reverseText, impossible, { method: 'tables', budgetMillis: 5000 }), { host }, options);
    assert.equal(kills, 2);
    assert.ok(result.status !== 'refused' && result.trajectory.filter(({ stage }) => stage === 'train').length > 4);
  });

  it('goes on with the search when the host is killed as the gradient is asked for', async () => {
    let kills = 0;
    const options = {
      onProgress: ({ stage }: RepairProgress) => {
        if (stage === 'search' && kills < 2 && host.pid !== undefined) {
          kills++;
          process.kill(host.pid, 'SIGKILL');
        }
      },
    };
    const impossible = reversed.slice(0, 40).map(({ input }) => ({ input, output: input.map(() => 'z') }));
    const result = await repair(request('r.rasp', reverseText, impossible, { method: 'search', budgetMillis: 4000 }), { host }, options);
    assert.equal(kills, 2);
    assert.ok(result.status !== 'refused');
    const rounds = result.tried.filter((line) => line.startsWith('Search over op forms'));
    assert.ok(rounds.length > 1, result.tried.join('\n'));
  });
});

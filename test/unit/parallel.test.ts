// A repair on two real processes: the same result as on one, and nothing left behind.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { after, describe, it } from 'mocha';
import { stratifiedBugs } from '../../bench/raspbugs/generate.ts';
import type { Bug } from '../../bench/raspbugs/generate.ts';
import { basePrograms } from '../../bench/raspbugs/programs.ts';
import { repair } from '../../src/repair/repair.ts';
import type { Example, RepairOptions, RepairRequest, RepairResult } from '../../src/repair/types.ts';
import { CancellationSource, CancelledError } from '../../src/shared/cancellation.ts';
import { Random } from '../../src/shared/random.ts';
import { builtHost, builtWorker, startHost } from '../support/host.ts';

const workerPath = builtWorker('parallel-worker.cjs');
const hostPath = builtHost('parallel-host.cjs');

/** Processes whose command line names this suite's worker or its model host, zombies not counted. */
function processes(script: string): number[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(script);
    } catch {
      return false;
    }
  });
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}

function examplesOf(bug: Bug): Example[] {
  const base = basePrograms.find(({ name }) => name === bug.program);
  assert.ok(base);
  const random = new Random(7);
  const found = new Map<string, Example>();
  for (let i = 0; i < 4000 && found.size < 150; i++) {
    const input = base.sample(random);
    found.set(JSON.stringify(input), { input, output: base.reference(input) });
  }
  return [...found.values()];
}

describe('repair on two processes', function () {
  const host = startHost({ hostPath });
  after(() => host.dispose());

  async function repairOn(count: number, request: Omit<RepairRequest, 'processes'>, options: RepairOptions = {}): Promise<RepairResult> {
    const result = await repair({ budgetMillis: 600_000, ...request, processes: count }, { host, workerPath }, options);
    assert.ok(result.status !== 'refused', JSON.stringify(result));
    return result;
  }

  const sayOf = ({ status, method, patch, alternatives, evaluations, suspects, tried, provider }: RepairResult) => ({ status, method, source: patch?.source, alternatives: alternatives.map(({ source }) => source), evaluations, suspects, tried, provider });

  /** One that the first task repairs, one for the edits, one for the searches from programs on the way. */
  const bugs = stratifiedBugs(1, 4).filter(({ id }) => ['reverse-rasp-5-32', 'most_freq-rasp-5-11', 'shuffle_dyck-rasp-4-8'].includes(id));

  it('has its three bugs', () => assert.equal(bugs.length, 3));

  for (const bug of bugs) {
    it(`gives the patch, the alternatives and the evaluations of one process: ${bug.id}`, async () => {
      const request = { source: { path: bug.path, text: bug.source }, dialect: bug.dialect, examples: examplesOf(bug) };
      const [one, two] = [await repairOn(1, request), await repairOn(2, request)];
      assert.equal(one.status, 'repaired', one.tried.join('\n'));
      assert.deepEqual(sayOf(two), sayOf(one));
      assert.deepEqual(two.trajectory.map(({ step }) => step), two.trajectory.map((_, i) => i));
    });
  }

  /** Keeps every search busy. */
  const impossible = (): Omit<RepairRequest, 'processes'> => {
    const random = new Random(4);
    const examples = Array.from({ length: 60 }, (_, row) => ({ input: ['a', 'b', 'c', 'd'].map((token, i) => (i === row % 4 ? `x${row}` : token)), output: [0, 0, 0, 0].map(() => random.integer(0, 9)) }));
    return { source: { path: 'n.rasp', text: 'a = selector_width(select(tokens, tokens, <));\nb = a + selector_width(select(indices, indices, <)) - 1;\nc = b * 2 - length;\n' }, examples };
  };

  it('ends every process when cancelled', async () => {
    const source = new CancellationSource();
    const ended = repairOn(2, impossible(), { token: source.token });
    await until(() => processes(workerPath).length > 0 && processes(hostPath).length > 1);
    source.cancel();
    await assert.rejects(ended, CancelledError);
    await until(() => processes(workerPath).length === 0 && processes(hostPath).length === 1);
  });

  it('survives the death of a lane, with the same result', async () => {
    const request = { ...impossible(), method: 'search' } as const;
    const one = await repairOn(1, request);
    let killed = 0;
    const two = repairOn(2, request);
    await until(() => {
      const [pid] = processes(workerPath);
      if (pid === undefined) return false;
      process.kill(pid, 'SIGKILL');
      return ++killed > 0;
    });
    assert.deepEqual(sayOf(await two), sayOf(one));
    assert.equal(killed, 1);
  });

  it('leaves no process behind', async () => {
    await until(() => processes(workerPath).length === 0 && processes(hostPath).length <= 1);
    assert.deepEqual(processes(workerPath), []);
  });
});

// A repair on two real processes: the same result as on one, and nothing left behind.
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { after, describe, it } from 'mocha';
import { stratifiedBugs } from '../../bench/raspbugs/generate.ts';
import type { Bug } from '../../bench/raspbugs/generate.ts';
import { basePrograms } from '../../bench/raspbugs/programs.ts';
import { repair } from '../../src/repair/repair.ts';
import type { Example, RepairOptions, RepairRequest, RepairResult } from '../../src/repair/types.ts';
import { CancellationSource, CancelledError } from '../../src/shared/cancellation.ts';
import { Random } from '../../src/shared/random.ts';
import { builtHost, builtLeader, builtWorker, startHost } from '../support/host.ts';

const workerPath = builtWorker('parallel-worker.cjs');
const hostPath = builtHost('parallel-host.cjs');

/** Tests that look for processes where the system keeps a list of them. */
const itWithProc = existsSync('/proc/self/cmdline') ? it : it.skip;

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

async function untilFound<T>(find: () => T | undefined): Promise<T> {
  for (;;) {
    const found = find();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const until = (condition: () => boolean): Promise<true> => untilFound(() => condition() || undefined);

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

const generated = stratifiedBugs(1, 8);

describe('repair on two processes', function () {
  // Every search of a hard bug to its end, twice; busy machines take long.
  this.timeout(300_000);
  const host = startHost({ hostPath });
  after(() => host.dispose());

  async function repairOn(count: number, request: Omit<RepairRequest, 'processes'>, options: RepairOptions = {}): Promise<RepairResult> {
    const result = await repair({ budgetMillis: 600_000, ...request, processes: count }, { host, workerPath, isProcessorSpare: () => true }, options);
    assert.ok(result.status !== 'refused', JSON.stringify(result));
    return result;
  }

  const sayOf = ({ status, method, patch, alternatives, evaluations, suspects, tried, provider }: RepairResult) => ({ status, method, source: patch?.source, alternatives: alternatives.map(({ source }) => source), evaluations, suspects, tried, provider });

  const requestOf = (bug: Bug): Omit<RepairRequest, 'processes'> => ({ source: { path: bug.path, text: bug.source }, dialect: bug.dialect, examples: examplesOf(bug) });

  /** Bugs that the first task repairs, and a search from a program on the way; by the tasks that tell what they tried. */
  const bugs = ([['hist-tracr-3-', 1], ['reverse-tracr-4-26', 3]] as const).map(([name, told]) => {
    const bug = generated.find(({ id }) => id.startsWith(name));
    assert.ok(bug, name);
    return { bug, told };
  });

  for (const { bug, told } of bugs) {
    it(`gives the patch, the alternatives and the evaluations of one process: ${bug.id}, found by task ${told}`, async () => {
      const request = requestOf(bug);
      const [one, two] = [await repairOn(1, request), await repairOn(2, request)];
      assert.equal(one.status, 'repaired', one.tried.join('\n'));
      assert.equal(one.tried.length, told, one.tried.join('\n'));
      assert.deepEqual(sayOf(two), sayOf(one));
      assert.deepEqual(two.trajectory.map(({ step }) => step), two.trajectory.map((_, i) => i));
    });
  }

  it('gives the same where nothing repairs, through every search from programs on the way', async () => {
    const random = new Random(4);
    const inputs = Array.from({ length: 6 }, (_, row) => ['a', 'b', 'c'].map((token, i) => (i === row % 3 ? 'abc'.charAt(row >> 2) + String(row % 2) : token)));
    const examples = inputs.map((input) => ({ input, output: input.map(() => random.integer(0, 2)) }));
    const request = { source: { path: 'n.rasp', text: 'a = selector_width(select(tokens, tokens, ==));\n' }, examples, method: 'search' } as const;
    const [one, two] = [await repairOn(1, request), await repairOn(2, request)];
    assert.equal(one.status, 'partial', 'some candidates answer some examples');
    assert.ok(one.tried.some((line) => line.includes('24 best programs')), one.tried.join('\n'));
    assert.deepEqual(sayOf(two), sayOf(one));
  });

  /** Keeps every search busy. */
  const impossible = (): Omit<RepairRequest, 'processes'> => {
    const random = new Random(4);
    const examples = Array.from({ length: 60 }, (_, row) => ({ input: ['a', 'b', 'c', 'd'].map((token, i) => (i === row % 4 ? `x${row}` : token)), output: [0, 0, 0, 0].map(() => random.integer(0, 9)) }));
    return { source: { path: 'n.rasp', text: 'a = selector_width(select(tokens, tokens, <));\nb = a + selector_width(select(indices, indices, <)) - 1;\nc = b * 2 - length;\n' }, examples };
  };

  itWithProc('ends every process when cancelled', async () => {
    const source = new CancellationSource();
    const ended = repairOn(2, impossible(), { token: source.token });
    await until(() => processes(workerPath).length > 0 && processes(hostPath).length > 1);
    source.cancel();
    await assert.rejects(ended, CancelledError);
    await until(() => processes(workerPath).length === 0 && processes(hostPath).length === 1);
  });

  itWithProc('survives the death of a lane, with the same result', async () => {
    const request = requestOf(bugs[1]?.bug as Bug);
    const one = await repairOn(1, request);
    const two = repairOn(2, request);
    const early = two.then((): never => assert.fail('the repair ended on one process'));
    const killed = await Promise.race([early, untilFound(() => processes(workerPath)[0])]);
    process.kill(killed, 'SIGKILL');
    assert.deepEqual(sayOf(await two), sayOf(one));
  });

  itWithProc('takes its lanes along when the process that leads is killed', async () => {
    const { source, examples } = impossible();
    const leader = fork(builtLeader(), [workerPath, hostPath, source.text, JSON.stringify(examples)], { stdio: 'ignore' });
    await until(() => processes(`${workerPath}\0`).length === 2 && processes(hostPath).length > 1);
    leader.kill('SIGKILL');
    await until(() => processes(workerPath).length === 0 && processes(hostPath).length === 1);
  });

  itWithProc('leaves no process behind', async () => {
    await until(() => processes(workerPath).length === 0 && processes(hostPath).length <= 1);
    assert.deepEqual(processes(workerPath), []);
  });
});

// The scheduler alone: whatever the lanes' number, speed and deaths, the results are those of one lane.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import type { Lane, Task } from '../../src/repair/schedule.ts';
import { schedule } from '../../src/repair/schedule.ts';
import type { CancellationToken } from '../../src/shared/cancellation.ts';
import { CancellationSource, CancelledError, neverCancelled } from '../../src/shared/cancellation.ts';

interface Work {
  readonly place: number;
  /** Sum of what the tasks before it gave. */
  readonly known: number;
  readonly millis: number;
  readonly solves: boolean;
}

interface Result {
  readonly value: number;
  readonly solved: boolean;
}

/** Takes its time and then computes; dies at the tasks that are named. */
class TimedLane implements Lane<Work, Result> {
  readonly places: number[] = [];
  disposed = false;
  private end: () => void = () => undefined;

  constructor(private readonly deadly: ReadonlySet<number> = new Set()) {}

  async run({ place, known, millis, solves }: Work, token: CancellationToken): Promise<Result> {
    this.places.push(place);
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(resolve, millis);
      this.end = () => {
        clearTimeout(timer);
        reject(new CancelledError());
      };
      token.onCancellationRequested(this.end);
    });
    if (this.deadly.has(place)) throw new Error(`died at ${place}`);
    return { value: 31 * known + place + 1, solved: solves };
  }

  dispose(): void {
    this.disposed = true;
    this.end();
  }
}

interface Plan {
  readonly after: readonly number[];
  readonly yields: boolean;
  readonly idle: boolean;
  readonly solves: boolean;
  readonly millis: number;
}

const taskOf = ({ after, yields, idle, solves, millis }: Plan, place: number): Task<Work, Result> => ({
  after,
  yields,
  input: (resultAt) => (idle ? null : { place, known: after.reduce((sum, before) => sum + (resultAt(before)?.value ?? 0), 0), millis, solves }),
});

async function run(plans: readonly Plan[], more: number, deadly: ReadonlySet<number> = new Set(), token: CancellationToken = neverCancelled) {
  const first = new TimedLane();
  const opened: TimedLane[] = [];
  const open = (): TimedLane => {
    const lane = new TimedLane(deadly);
    opened.push(lane);
    return lane;
  };
  try {
    const results = await schedule(plans.map(taskOf), { first, more, isWorthOpening: () => true, open }, ({ solved }) => solved, token);
    return { results, first, opened };
  } finally {
    assert.ok(opened.every(({ disposed }) => disposed));
  }
}

const plansOf = fc
  .array(fc.record({ links: fc.array(fc.nat(), { maxLength: 3 }), yields: fc.boolean(), idle: fc.boolean(), solves: fc.integer({ min: 0, max: 5 }), millis: fc.integer({ min: 0, max: 4 }) }), { minLength: 1, maxLength: 9 })
  .map((list) => list.map(({ links, solves, ...rest }, place): Plan => ({ ...rest, solves: solves === 0, after: place === 0 ? [] : [...new Set(links.map((link) => link % place))] })));

describe('schedule', () => {
  it('gives what one lane gives, for any tasks, any number of lanes, and lanes that die', async () => {
    await fc.assert(
      fc.asyncProperty(plansOf, fc.integer({ min: 1, max: 3 }), fc.array(fc.nat(8)), async (plans, more, deadly) => {
        const alone = await run(plans, 0);
        const several = await run(plans, more, new Set(deadly));
        assert.deepEqual(several.results, alone.results);
        assert.equal(alone.opened.length, 0);
      }),
      { numRuns: 150 },
    );
  });

  const plain = { after: [], yields: false, idle: false, solves: false, millis: 5 };

  it('opens no lane while the first task may still solve the problem at once', async () => {
    const { results, opened } = await run([{ ...plain, solves: true }, plain, plain], 3);
    assert.deepEqual(results, [{ value: 1, solved: true }]);
    assert.equal(opened.length, 0);
  });

  it('runs independent tasks side by side once the first has failed', async () => {
    const { first, opened } = await run([plain, { ...plain, millis: 30 }, { ...plain, millis: 30 }], 1);
    assert.deepEqual([first.places, opened.map(({ places }) => places)], [[0, 1], [[2]]]);
  });

  it('makes a late task yield to an earlier one that becomes ready, and runs it again', async () => {
    const late = { ...plain, yields: true, millis: 120 };
    const { results, first, opened } = await run([plain, { ...plain, millis: 20 }, { ...plain, after: [1] }, { ...plain, after: [1], millis: 40 }, late], 1);
    assert.equal(results.length, 5);
    const places = [...first.places, ...opened.flatMap((lane) => lane.places)];
    assert.equal(places.filter((place) => place === 4).length, 2);
  });

  it('ends with the error of a task only if no earlier task solves the problem', async () => {
    const failing: Lane<Work, Result> = { run: ({ solves }) => (solves ? Promise.resolve({ value: 1, solved: true }) : Promise.reject(new Error('broken'))), dispose: () => undefined };
    const of = (plans: readonly Plan[]) => schedule(plans.map(taskOf), { first: failing, more: 0, isWorthOpening: () => true, open: () => failing }, ({ solved }) => solved, neverCancelled);
    await assert.rejects(of([plain, { ...plain, solves: true }]), /broken/);
    assert.equal((await of([{ ...plain, solves: true }, plain])).length, 1);
  });

  it('ends all lanes when cancelled', async () => {
    const source = new CancellationSource();
    const long = { ...plain, millis: 60_000 };
    setTimeout(() => source.cancel(), 60);
    await assert.rejects(run([plain, long, long], 2, new Set(), source.token), CancelledError);
  });
});

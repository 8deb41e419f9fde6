// Repair runs on disk: whole or not at all, the latest twenty, unreadable ones passed over.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import type { RunRecord } from '../../src/editor/runRecord.ts';
import { mostRuns, RunStore } from '../../src/editor/runStore.ts';

const span = { file: 'a.rasp', start: 0, end: 3 };

function record(n: number, more: Partial<RunRecord> = {}): RunRecord {
  return {
    version: 1, id: `${1000 + n}-x`, startedAt: 1000 + n, pid: process.pid, uri: 'file:///a.rasp', file: 'a.rasp', language: 'rasp', text: 'a = tokens;\n', method: 'auto',
    status: 'repaired', stage: 'verify', message: 'Repaired.', suspects: [{ span, label: '==', score: 0.5 }], moving: [span],
    points: [{ step: 0, stage: 'search', loss: null, accuracy: 0.5, millis: 3 }], sample: { input: ['a', 1, true], target: [null], before: null, output: [2.5] },
    outcome: { method: 'search', exact: { examples: 1, test: null }, patch: { edits: [{ span, newText: 'b' }], source: 'b', unifiedDiff: '@@', summary: 'replace' }, tried: ['all'], evaluations: 3, millis: 12, provider: 'cpu' },
    ...more,
  };
}

describe('repair runs on disk', () => {
  let folder = '';
  let log: string[] = [];
  let store: RunStore;

  beforeEach(() => {
    folder = path.join(mkdtempSync(path.join(tmpdir(), 'gradlens-runs-')), 'deep', 'runs');
    log = [];
    store = new RunStore(folder, (line) => log.push(line));
  });
  afterEach(() => rmSync(path.dirname(path.dirname(folder)), { recursive: true, force: true }));

  it('come back as they were, newest first, from another store too', async () => {
    await Promise.all([store.save(record(1)), store.save(record(3)), store.save(record(2, { outcome: null, sample: null, points: [] }))]);
    const expected = [record(3), record(2, { outcome: null, sample: null, points: [] }), record(1)];
    assert.deepEqual(await store.all(), expected);
    assert.deepEqual(await new RunStore(folder, () => undefined).all(), expected);
    assert.deepEqual(log, []);
  });

  it('are the latest of their id', async () => {
    void store.save(record(1, { status: 'running' }));
    void store.save(record(1, { status: 'running', stage: 'later' }));
    void store.save(record(1));
    assert.deepEqual(await store.all(), [record(1)]);
    assert.deepEqual(readdirSync(folder), ['1001-x.run.json']);
  });

  it(`are the latest ${mostRuns} of all`, async () => {
    for (let n = 0; n < mostRuns + 5; n++) void store.save(record(n));
    const all = await store.all();
    assert.deepEqual([all.length, all[0]?.id, all.at(-1)?.id], [mostRuns, '1024-x', '1005-x']);
  });

  it('have their models beside them, and let them go together', async () => {
    const model = Uint8Array.of(1, 2, 3);
    void store.saveModel('1000-x', model);
    for (let n = 0; n < mostRuns; n++) void store.save(record(n));
    assert.deepEqual(Uint8Array.from((await store.model('1000-x')) ?? []), model);
    assert.equal((await store.all()).length, mostRuns);
    await store.save(record(mostRuns));
    assert.equal(await store.model('1000-x'), null);
    assert.match(log.join(), /1000-x/u);
    assert.ok(!readdirSync(folder).some((name) => name.startsWith('1000-')));
  });

  it('come back with what is told of their model', async () => {
    const model = { parameters: 12, steps: 800, rows: { training: 70, validation: 11 }, exact: { examples: 0.9, validation: 0.8, test: null } };
    const { outcome } = record(1);
    assert.ok(outcome);
    const trained = record(1, { status: 'partial', outcome: { ...outcome, method: 'weights', patch: null, model } });
    await store.save(trained);
    assert.deepEqual(await store.all(), [trained]);
  });

  it('are passed over with a line in the log where a file is damaged', async () => {
    await store.save(record(1));
    await store.save(record(2));
    const file = path.join(folder, '1001-x.run.json');
    writeFileSync(file, readFileSync(file, 'utf8').slice(0, 100));
    writeFileSync(path.join(folder, '1000-y.run.json'), '{"version": 1}');
    writeFileSync(path.join(folder, '0999-z.run.json'), JSON.stringify({ ...record(0), version: 2 }));
    writeFileSync(path.join(folder, 'readme.txt'), 'no run');
    assert.deepEqual(await store.all(), [record(2)]);
    assert.equal(log.length, 3);
    assert.ok(log.some((line) => line.includes('1001-x.run.json')), log.join('\n'));
    assert.equal(await store.get('1000-y'), null);
  });

  it('were cut off where their process is gone, and are under way where it lives', async () => {
    const gone = spawnSync(process.execPath, ['-e', '']).pid;
    await store.save(record(1, { status: 'running', pid: gone }));
    await store.save(record(2, { status: 'running' }));
    assert.deepEqual((await store.all()).map(({ status }) => status), ['running', 'cancelled']);
  });

  it('are none before the first, and a folder that cannot be written is a line in the log', async () => {
    assert.deepEqual(await store.all(), []);
    assert.deepEqual(log, []);
    const blocked = path.join(path.dirname(path.dirname(folder)), 'file');
    writeFileSync(blocked, '');
    await new RunStore(path.join(blocked, 'runs'), (line) => log.push(line)).save(record(1));
    assert.equal(log.length, 1);
  });
});

// Repair runs are kept, opened again, compared and saved.
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import * as vscode from 'vscode';
import { saveRuns } from '../../src/editor/runsPanel.ts';
import { commands } from '../../src/shared/contributions.ts';
import { gradlens, openText } from './support.ts';

const rows = ['abc', 'hello', 'ab', 'xyzzy', 'abcd'].map((word) => `#: "${word}" -> "${[...word].reverse().join('')}"`).join('\n');
const wrong = `reverse = aggregate(select(indices, length - indices - 2, ==), tokens);\n${rows}\n`;
const right = wrong.replace('- 2', '- 1');

describe('repair runs', () => {
  it('are kept with their course and result, newest first', async () => {
    const { repairs, runs } = await gradlens();
    await repairs.repair((await openText(wrong)).document);
    await repairs.repair((await openText(right)).document);
    const { rows: kept } = await runs.state();
    assert.deepEqual(kept.slice(0, 2).map(({ status, exact }) => [status, exact === null ? null : Math.round(exact)]), [['correct', kept[0]?.exact === null ? null : 1], ['repaired', 1]]);
    assert.ok(kept.length <= 20);
  });

  it('are compared side by side', async () => {
    const { runs } = await gradlens();
    const { rows: kept } = await runs.state();
    await vscode.commands.executeCommand(commands.showRuns);
    await runs.onMessage({ type: 'choose', ids: kept.slice(0, 2).map(({ id }) => id) });
    const { chosen } = await runs.state();
    assert.deepEqual(chosen.map(({ status }) => status), ['correct', 'repaired']);
    const repaired = chosen[1];
    assert.ok(repaired && repaired.points.length > 0 && repaired.suspects.length > 0);
    assert.match(repaired.diff, /^\+reverse = /mu);
    assert.equal(repaired.suspects[0]?.line, 1);
    await runs.onMessage({ type: 'choose', ids: [] });
  });

  it('are opened again: the panel shows them, and the patch is applied after it is verified', async () => {
    const { repairs, runs } = await gradlens();
    const { document } = await openText(wrong);
    const first = await repairs.repair(document);
    await repairs.repair((await openText(right)).document);
    assert.equal(repairs.run?.patch, null);
    await runs.onMessage({ type: 'open', id: first?.id ?? '' });
    assert.deepEqual([repairs.run?.id, repairs.run?.status, repairs.panel.last?.status], [first?.id, 'repaired', 'repaired']);
    assert.deepEqual(repairs.panel.last?.points, first?.points);
    assert.ok(await repairs.apply());
    assert.ok(document.getText().startsWith('reverse = ') && document.getText() !== wrong);
  });

  it('open on the text that they were about where the document is gone', async () => {
    const { repairs } = await gradlens();
    const record = repairs.run?.record();
    assert.ok(record);
    assert.ok(await repairs.reopen({ ...record, uri: 'untitled:Untitled-999', text: wrong }));
    assert.equal(repairs.run?.document.getText(), wrong);
    assert.ok(await repairs.apply());
  });

  it('are saved as JSON', async () => {
    const { repairs } = await gradlens();
    const record = repairs.run?.record();
    assert.ok(record);
    const target = vscode.Uri.file(path.join(tmpdir(), `gradlens-runs-${process.pid}.json`));
    await saveRuns(target, [record]);
    const saved = JSON.parse(new TextDecoder().decode(await vscode.workspace.fs.readFile(target))) as { id: string; outcome: { patch: { unifiedDiff: string } } }[];
    await vscode.workspace.fs.delete(target);
    assert.equal(saved[0]?.id, record.id);
    assert.match(saved[0].outcome.patch.unifiedDiff, /@@/u);
  });
});

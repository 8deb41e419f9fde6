// The extension in a real extension host: diagnostics, repair, quick fix, undo, cancel, and a host that never blocks.
import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import type { GradLens } from '../../src/extension.ts';
import type { CheckResult } from '../../src/repair/workerProtocol.ts';
import { commands } from '../../src/shared/contributions.ts';
import { watchEventLoop } from './support.ts';

const extensionId = 'gradlens.gradlens';

async function gradlens(): Promise<GradLens> {
  const extension = vscode.extensions.getExtension<GradLens>(extensionId);
  assert.ok(extension, 'the extension is installed');
  return extension.activate();
}

async function openText(content: string, language = 'rasp'): Promise<vscode.TextDocument> {
  const document = await vscode.workspace.openTextDocument({ content, language });
  await vscode.window.showTextDocument(document);
  return document;
}

const within = async <T>(millis: number, probe: () => T | undefined | Promise<T | undefined>): Promise<T> => {
  const end = Date.now() + millis;
  for (;;) {
    const found = await probe();
    if (found !== undefined) return found;
    if (Date.now() > end) throw new Error(`nothing within ${millis} ms`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
};

async function checked(document: vscode.TextDocument): Promise<CheckResult> {
  const { checks } = await gradlens();
  return within(10_000, () => checks.current(document));
}

const reverseRows = ['abc', 'hello', 'ab', 'xyzzy', 'abcd', 'qwerty', 'baa', 'noon!', 'z']
  .map((word) => `#: "${word}" -> "${[...word].reverse().join('')}"`)
  .join('\n');
const buggyReverse = `# keep this comment\nopposite = length - indices - 2;\nreverse = aggregate(select(indices, opposite,  ==), tokens);\n${reverseRows}\n`;

describe('the extension', () => {
  it('activates for a RASP file and has every command', async () => {
    await openText('a = tokens;\n');
    await gradlens();
    const known = await vscode.commands.getCommands(true);
    for (const id of Object.values(commands)) assert.ok(known.includes(id), `${id} is registered`);
  });

  it('reports an unknown name where it stands', async () => {
    const document = await openText('a = lenght + 1;\n');
    await checked(document);
    const [diagnostic] = vscode.languages.getDiagnostics(document.uri);
    assert.equal(diagnostic?.severity, vscode.DiagnosticSeverity.Error);
    assert.equal(document.getText(diagnostic?.range), 'lenght');
  });

  it('reports failing examples with actual and expected', async () => {
    const document = await openText(buggyReverse);
    const result = await checked(document);
    assert.ok(result.failing.length > 0);
    const messages = vscode.languages.getDiagnostics(document.uri).map(({ message }) => message);
    assert.ok(messages.some((message) => message.includes('should give')), messages.join('\n'));
  });

  it('reports a malformed example row and goes on', async () => {
    const document = await openText('same = select(tokens, tokens, ==);\nhist = selector_width(same);\n#: [1, 2 -> [1]\n#: "aab" -> [2, 2, 1]\n');
    const result = await checked(document);
    assert.equal(result.examples, 1);
    assert.ok(result.diagnostics.some(({ span }) => document.positionAt(span.start).line === 2));
  });

  it('offers the repair on a failing example', async () => {
    const document = await openText(buggyReverse);
    await checked(document);
    const line = document.lineCount - 2;
    const actions = await vscode.commands.executeCommand<vscode.CodeAction[]>('vscode.executeCodeActionProvider', document.uri, new vscode.Range(line, 0, line, 5));
    assert.ok(actions.some(({ command }) => command?.command === commands.repair), actions.map(({ title }) => title).join());
  });

  it('repairs a program, keeps its comment and layout, undoes in one step, and never blocks the host', async () => {
    const document = await openText(buggyReverse);
    await checked(document);
    const { repairs } = await gradlens();
    const watch = watchEventLoop();
    const run = await repairs.repair(document);
    const worst = watch.stop();
    assert.equal(run?.status, 'repaired', run?.message);
    console.log(`longest blocking of the event loop during the repair: ${worst.toFixed(1)} ms`);
    assert.ok((run?.points.length ?? 0) > 2, 'the trajectory has points');
    assert.ok((run?.suspects.length ?? 0) > 0, 'the gradient names suspects');
    assert.ok(await repairs.apply());
    const result = await checked(document);
    assert.deepEqual(result.failing, []);
    assert.ok(document.getText().startsWith('# keep this comment\n'));
    assert.ok(document.getText().includes(',  =='), 'the layout is kept');
    await vscode.window.showTextDocument(document);
    await vscode.commands.executeCommand('undo');
    assert.equal(document.getText(), buggyReverse);
    assert.ok(worst < 50, `the event loop was blocked for ${worst.toFixed(1)} ms`);
  });

  it('carries a patch over a change elsewhere and declines one on the patched line', async () => {
    const document = await openText(buggyReverse);
    const { repairs } = await gradlens();
    await repairs.repair(document);
    const patch = repairs.run?.patch;
    assert.ok(patch);
    const elsewhere = new vscode.WorkspaceEdit();
    elsewhere.insert(document.uri, new vscode.Position(0, 0), '# another line\n');
    await vscode.workspace.applyEdit(elsewhere);
    assert.ok(await repairs.apply(), 'carried over');
    assert.deepEqual((await checked(document)).failing, []);
    await repairs.repair(await openText(buggyReverse));
    const target = repairs.run?.document;
    assert.ok(target);
    const onLine = new vscode.WorkspaceEdit();
    for (let line = 1; line <= 2; line++) onLine.replace(target.uri, target.lineAt(line).range, `a${line} = tokens;`);
    await vscode.workspace.applyEdit(onLine);
    assert.equal(await repairs.apply(), false, 'declined');
  });

  it('cancels within 200 ms', async () => {
    // Outputs that no program gives keep the search busy.
    const rows = Array.from({ length: 30 }, (_, i) => `#: [${i}, ${i + 1}, ${i * 7 % 5}] -> [${(i * 13) % 7}, ${(i * 5) % 11}, ${(i * 3) % 4}]`).join('\n');
    const document = await openText(`tokens = tokens_int;\na = selector_width(select(tokens, indices, <)) + tokens;\n${rows}\n`);
    const { repairs } = await gradlens();
    const running = repairs.repair(document);
    await within(10_000, () => (repairs.run?.points.length ?? 0) > 2 || undefined);
    const started = performance.now();
    await vscode.commands.executeCommand(commands.cancel);
    const run = await running;
    const millis = performance.now() - started;
    console.log(`cancelled in ${millis.toFixed(0)} ms`);
    assert.equal(run?.status, 'cancelled');
    assert.ok(millis < 200, `${millis} ms`);
  });

  it('survives the death of the worker and repairs again', async () => {
    const document = await openText(buggyReverse);
    const { repairs } = await gradlens();
    const running = repairs.repair(document);
    await within(10_000, () => (repairs.run?.points.length ?? 0) > 0 || undefined);
    process.kill(repairs.workerPid ?? 0, 'SIGKILL');
    assert.equal((await running)?.status, 'failed');
    assert.equal((await repairs.repair(document))?.status, 'repaired');
  });

  it('leaves Python that does not import tracr alone', async () => {
    const document = await openText('x = lenght\n', 'python');
    await new Promise((resolve) => setTimeout(resolve, 600));
    assert.deepEqual(vscode.languages.getDiagnostics(document.uri).filter(({ source }) => source === 'GradLens'), []);
  });

  it('checks Tracr programs', async () => {
    const document = await openText('from tracr.rasp import rasp\n\ndef hist():\n    return rasp.SelectorWidth(rasp.Select(rasp.tokens, rasp.tokens, rasp.Comparison.LT))\n#: "aab" -> [2, 2, 1]\n', 'python');
    const result = await checked(document);
    assert.equal(result.failing.length, 1);
  });
});

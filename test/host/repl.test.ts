// The interactive loop in a terminal of a real editor: the file at hand, typing, Ctrl+C, drawings.
import assert from 'node:assert/strict';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import * as vscode from 'vscode';
import type { ReplTerminal } from '../../src/editor/repl.ts';
import { commands } from '../../src/shared/contributions.ts';
import { gradlens, openText, within } from './support.ts';

class Watched {
  text = '';

  constructor(readonly terminal: ReplTerminal) {
    terminal.onDidWrite((text) => (this.text += text));
  }

  /** What is written from now until it ends like that, without what moves the cursor. */
  async until(end: string, act?: () => void): Promise<string> {
    const start = this.text.length;
    act?.();
    const plain = (): string => this.text.slice(start).replaceAll(/\r|\u001b\[[0-9;]*[A-Za-z]/g, '');
    return within(30_000, `${end} in ${JSON.stringify(this.text)}`, () => (plain().endsWith(end) ? plain() : undefined));
  }

  type(keys: string): Promise<string> {
    return this.until('>> ', () => this.terminal.handleInput(keys));
  }
}

async function openRepl(): Promise<Watched> {
  await gradlens();
  return new Watched(await vscode.commands.executeCommand<ReplTerminal>(commands.repl));
}

describe('the interactive loop', () => {
  after(() => vscode.window.terminals.forEach((terminal) => terminal.dispose()));

  it('loads the file at hand as the editor holds it, and evaluates what is typed and pasted', async () => {
    await openText('set example "abc"\ntwice = indices * 2;\n');
    const repl = await openRepl();
    const opened = await repl.until('>> ');
    assert.equal(opened, 'RASP 0.1\nrunning example is: hello\n     s-op: twice\n>> ');
    const answer = await repl.type('twice;\r');
    assert.ok(answer.endsWith('twice;\n     s-op: twice\n \t Example: twice("abc") = [0, 2, 4] (ints)\n>> '), JSON.stringify(answer));
    const pasted = await repl.until('[5, 6, 7] (ints)\n>> ', () => repl.terminal.handleInput('def plus(a) {\r  return a + 5;\r}\rplus(indices);\r'));
    assert.ok(pasted.includes('     console function: plus(a)\n'), JSON.stringify(pasted));
    assert.ok((await repl.type('nothing;\r')).includes('\t\t!!ignoring input:\n\t Error: Undefined variable: nothing\n'));
  });

  it('evaluates at length in a process of its own, and Ctrl+C leaves the session as it was', async () => {
    await openText('a = tokens;\n');
    const repl = await openRepl();
    await repl.until('>> ');
    await repl.type('x = indices;\r');
    const delay = monitorEventLoopDelay({ resolution: 5 });
    delay.enable();
    const long = 'for i in range(6000) { x = x + i; } x = x - x;\r';
    assert.ok((await repl.type(long)).includes('[0]*5 (ints)'));
    delay.disable();
    const pid = repl.terminal.workerPid;
    assert.ok(pid !== undefined && pid !== process.pid, 'it evaluates in a process of its own');
    repl.terminal.handleInput(long);
    await within(5000, 'a running evaluation', () => repl.terminal.isRunning || undefined);
    const cancelled = await repl.until('>> ', () => repl.terminal.handleInput('\u0003'));
    assert.ok(cancelled.includes('^C\n'));
    assert.notEqual(repl.terminal.workerPid, pid, 'another process');
    assert.ok((await repl.type('x;\r')).includes('x("hello") = [0]*5 (ints)'));
    const worst = delay.max / 1e6;
    console.log(`longest event loop delay during the evaluation: ${worst.toFixed(1)} ms`);
  });

  it('Ctrl+C forgets an unfinished statement, for good', async () => {
    const repl = await openRepl();
    await repl.until('>> ');
    await repl.until('.. ', () => repl.terminal.handleInput('b = [1,\r'));
    await repl.type('\u0003');
    assert.ok((await repl.type('b = 2;\r')).includes('    value: b =  2\n'));
  });

  it('draws in the panel', async () => {
    const { drawings } = await gradlens();
    const repl = await openRepl();
    await repl.until('>> ');
    assert.ok((await repl.type('r = aggregate(select(indices, length - 1 - indices, ==), tokens); draw(r, "xyz");\r')).includes('\t =  [z, y, x] (strings)\n'));
    assert.deepEqual([drawings.state.drawing?.name, drawings.state.drawing?.input], ['r', ['x', 'y', 'z']]);
  });

  it('ends at exit and at Ctrl+D', async () => {
    for (const keys of ['exit\r', '\u0004']) {
      const repl = await openRepl();
      await repl.until('>> ');
      let closed = false;
      repl.terminal.onDidClose(() => (closed = true));
      repl.terminal.handleInput(keys);
      await within(5000, 'the end', () => closed || undefined);
    }
  });
});

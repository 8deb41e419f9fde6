// Editing a line in a terminal: what is entered, and what the screen shows while it is typed.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { LineEditor } from '../../src/editor/lineEditor.ts';

/** A terminal's screen, as far as the editor uses one. */
class Screen {
  private rows: string[][] = [[]];
  private row = 0;
  private column = 0;

  constructor(readonly columns: number) {}

  write(text: string): void {
    for (const [, count, command, character] of text.matchAll(/\u001b\[(\d*)([ACJ])|([\s\S])/gu)) {
      if (command === 'A') this.row = Math.max(0, this.row - Number(count));
      else if (command === 'C') this.column += Number(count);
      else if (command === 'J') this.clear();
      else if (character === '\r') this.column = 0;
      else if (character === '\n') this.down();
      else if (character !== undefined) this.put(character);
    }
  }

  private clear(): void {
    this.rows.length = this.row + 1;
    this.rows[this.row] = (this.rows[this.row] ?? []).slice(0, this.column);
  }

  private down(): void {
    this.row += 1;
    this.rows[this.row] ??= [];
  }

  private put(character: string): void {
    if (this.column === this.columns) {
      this.column = 0;
      this.down();
    }
    (this.rows[this.row] ??= [])[this.column] = character;
    this.column += 1;
  }

  get text(): string {
    return this.rows.map((row) => row.join('')).join('\n').trimEnd();
  }

  get cursor(): readonly [number, number] {
    return [this.row, this.column];
  }
}

function typed(columns = 80, history: string[] = []): { editor: LineEditor; screen: Screen; events: string[] } {
  const screen = new Screen(columns);
  const events: string[] = [];
  const listener = { onLine: (text: string) => void events.push(`line ${text}`), onCancel: () => void events.push('cancel'), onEnd: () => void events.push('end') };
  const editor = new LineEditor((text) => screen.write(text), () => columns, listener, history);
  editor.prompt('>> ');
  return { editor, screen, events };
}

const [left, right, up, down, home, end, del] = ['\u001b[D', '\u001b[C', '\u001b[A', '\u001b[B', '\u001b[H', '\u001b[F', '\u001b[3~'];

describe('line editor', () => {
  const rows: [string, string, string][] = [
    ['plain text', 'abc\r', 'abc'],
    ['cursor keys', `ac${left}b\r`, 'abc'],
    ['application cursor keys', 'ac\u001bODb\r', 'abc'],
    ['home and end', `bc${home}a${end}d\r`, 'abcd'],
    ['backspace', 'abx\u007fc\r', 'abc'],
    ['delete', `xabc${home}${del}\r`, 'abc'],
    ['deleting a word', 'abc def\u0017x\r', 'abc x'],
    ['deleting to the start', `xyabc${left}${left}${left}\u0015\r`, 'abc'],
    ['deleting to the end', `abcxy${left}${left}\u000b\r`, 'abc'],
    ['words', `one two\u001b[1;5D\u001b[1;5D${right}x\r`, 'oxne two'],
    ['text beyond the basic plane', `𝒂𝒃${left}${left}x\r`, 'x𝒂𝒃'],
    ['keys that mean nothing', 'a\u001b[15~\u001b[200~b\r', 'ab'],
    ['deletion where nothing is', `\u007f${del}\u0017a\r`, 'a'],
  ];
  for (const [name, keys, line] of rows) {
    it(`takes ${name}`, () => {
      const { editor, events } = typed();
      editor.input(keys);
      assert.deepEqual(events, [`line ${line}`]);
    });
  }

  it('hands pasted lines out one by one, each when it is asked for', () => {
    const { editor, events } = typed();
    editor.input('a;\rb;\r\nc');
    assert.deepEqual(events, ['line a;']);
    editor.prompt('>> ');
    assert.deepEqual(events, ['line a;', 'line b;']);
    editor.prompt('.. ');
    editor.input('d\r');
    assert.deepEqual(events, ['line a;', 'line b;', 'line cd']);
  });

  it('goes through the history and back to what was being typed', () => {
    const { editor, events } = typed(80, ['old', 'older'].reverse());
    editor.input(`new${up}${up}${down}${down}!\r`);
    editor.prompt('>> ');
    editor.input(`${up}${up}\r`);
    assert.deepEqual(events, ['line new!', 'line old']);
  });

  it('cancels at any time, with all that was typed ahead', () => {
    const { editor, events } = typed();
    editor.input('a\rb\rc\r');
    editor.input('\u0003');
    editor.prompt('>> ');
    editor.input('\r');
    assert.deepEqual(events, ['line a', 'cancel', 'line ']);
  });

  it('ends on an empty line only', () => {
    const { editor, events } = typed();
    editor.input(`ab${left}\u0004\r`);
    editor.prompt('>> ');
    editor.input('\u0004');
    assert.deepEqual(events, ['line a', 'end']);
  });

  it('shows prompt and line, and the cursor in its place, however often the line wraps', () => {
    const keys = fc.array(fc.constantFrom('a', 'b', ' ', 'c;', left, right, home, end, '\u007f', del, '\u0017'), { maxLength: 60 });
    fc.assert(
      fc.property(keys, fc.integer({ min: 5, max: 30 }), (pressed, columns) => {
        const { editor, screen, events } = typed(columns);
        for (const one of pressed) editor.input(one);
        const shown = screen.text.replaceAll('\n', '');
        const [row, column] = screen.cursor;
        editor.input('|\r');
        const [line = ''] = events.map((event) => event.slice('line '.length));
        const cursor = line.lastIndexOf('|');
        const text = line.slice(0, cursor) + line.slice(cursor + 1);
        assert.equal(shown.trimEnd(), `>> ${text}`.trimEnd());
        assert.equal(row * columns + column, 3 + cursor);
      }),
      { numRuns: 300, seed: 11 },
    );
  });
});

// Editing of one line in a terminal: cursor keys, history, deletion, paste of several lines. Knows no VS Code.

export interface LineListener {
  /** Enter: no further input is taken until `prompt` is called; what comes meanwhile waits. */
  onLine(text: string): void;
  /** Ctrl+C, at any time. */
  onCancel(): void;
  /** Ctrl+D on an empty line. */
  onEnd(): void;
}

const mostHistory = 500;

const key = /^(?:\u001b(?:\[[0-9;]*[A-Za-z~]|O[A-Z]|[\s\S])|\r\n|[\s\S])/u;

export class LineEditor {
  private promptText = '';
  private text: string[] = [];
  private cursor = 0;
  /** The row of the cursor, counted from the prompt's. */
  private row = 0;
  private asking = false;
  private waiting = '';
  private historyIndex: number;
  private draft: string[] = [];

  /**
   * @param columns the terminal's width at present
   * @param history earlier lines, oldest first; grows as lines are entered
   */
  constructor(
    private readonly write: (text: string) => void,
    private readonly columns: () => number,
    private readonly listener: LineListener,
    readonly history: string[] = [],
  ) {
    this.historyIndex = history.length;
  }

  /** Asks for a line, and takes first what has been typed or pasted meanwhile. */
  prompt(text: string): void {
    this.promptText = text;
    this.text = [];
    this.cursor = 0;
    this.row = 0;
    this.historyIndex = this.history.length;
    this.asking = true;
    this.write(text);
    this.take();
  }

  input(data: string): void {
    if (data.includes('\u0003')) {
      // What was typed before it is given up.
      this.waiting = data.slice(data.lastIndexOf('\u0003') + 1);
      this.cancel();
      return;
    }
    this.waiting += data;
    this.take();
  }

  private cancel(): void {
    if (this.asking) this.moveTo(this.text.length);
    this.asking = false;
    this.write('^C\r\n');
    this.listener.onCancel();
  }

  private take(): void {
    let changed = false;
    while (this.asking && this.waiting !== '') {
      const [pressed = ''] = key.exec(this.waiting) ?? [this.waiting];
      this.waiting = this.waiting.slice(pressed.length);
      if (pressed === '\r' || pressed === '\n' || pressed === '\r\n') this.enter();
      else if (pressed === '\u0004' && this.text.length === 0) this.end();
      else {
        this.press(pressed);
        changed = true;
      }
    }
    if (changed && this.asking) this.redraw();
  }

  private enter(): void {
    this.cursor = this.text.length;
    this.redraw();
    this.asking = false;
    this.write('\r\n');
    const line = this.text.join('');
    if (line.trim() !== '' && line !== this.history.at(-1)) this.history.push(line);
    if (this.history.length > mostHistory) this.history.shift();
    this.listener.onLine(line);
  }

  private end(): void {
    this.asking = false;
    this.write('\r\n');
    this.listener.onEnd();
  }

  private press(pressed: string): void {
    const action = actions[pressed.replace(/^\u001bO/u, '\u001b[')];
    if (action) this.act(action);
    else if (pressed === '\t') this.insert('  ');
    else if (pressed >= ' ' && pressed !== '\u007f') this.insert(pressed);
  }

  private act(action: Action): void {
    const { cursor, text } = this;
    switch (action) {
      case 'left':
        this.cursor = Math.max(0, cursor - 1);
        return;
      case 'right':
        this.cursor = Math.min(text.length, cursor + 1);
        return;
      case 'home':
        this.cursor = 0;
        return;
      case 'end':
        this.cursor = text.length;
        return;
      case 'word left':
        this.cursor = this.wordStart();
        return;
      case 'word right':
        this.cursor = this.wordEnd();
        return;
      case 'older':
        return this.recall(-1);
      case 'newer':
        return this.recall(1);
      case 'clear screen':
        this.row = 0;
        return this.write('\u001b[2J\u001b[H');
      default:
        return this.deleteTo(action);
    }
  }

  private deleteTo(action: Deletion): void {
    const { cursor } = this;
    const [from, to] = {
      backspace: [cursor - 1, cursor],
      delete: [cursor, cursor + 1],
      'delete word': [this.wordStart(), cursor],
      'delete to start': [0, cursor],
      'delete to end': [cursor, this.text.length],
    }[action] as [number, number];
    if (from < 0) return;
    this.text.splice(from, to - from);
    this.cursor = from;
  }

  private insert(text: string): void {
    this.text.splice(this.cursor, 0, ...text);
    this.cursor += [...text].length;
  }

  private wordStart(): number {
    let i = this.cursor;
    while (i > 0 && !isWord(this.text[i - 1])) i -= 1;
    while (i > 0 && isWord(this.text[i - 1])) i -= 1;
    return i;
  }

  private wordEnd(): number {
    let i = this.cursor;
    while (i < this.text.length && !isWord(this.text[i])) i += 1;
    while (i < this.text.length && isWord(this.text[i])) i += 1;
    return i;
  }

  private recall(step: -1 | 1): void {
    const next = this.historyIndex + step;
    if (next < 0 || next > this.history.length) return;
    if (this.historyIndex === this.history.length) this.draft = this.text;
    this.historyIndex = next;
    this.text = next === this.history.length ? this.draft : [...(this.history[next] ?? '')];
    this.cursor = this.text.length;
  }

  private moveTo(cursor: number): void {
    this.cursor = cursor;
    this.redraw();
  }

  /** Writes the prompt and the line anew, over as many rows as they take. */
  private redraw(): void {
    const columns = Math.max(1, this.columns());
    const before = widthOf(this.promptText) + widthOf(this.text.slice(0, this.cursor).join(''));
    const whole = widthOf(this.promptText) + widthOf(this.text.join(''));
    const lastRow = Math.floor(whole / columns);
    const up = this.row > 0 ? `\u001b[${this.row}A` : '';
    // At the very edge a terminal waits with the wrap; the line end makes it.
    const wrap = whole > 0 && whole % columns === 0 ? '\r\n' : '';
    this.row = Math.floor(before / columns);
    const back = lastRow > this.row ? `\u001b[${lastRow - this.row}A` : '';
    const along = before % columns > 0 ? `\u001b[${before % columns}C` : '';
    this.write(`\r${up}\u001b[J${this.promptText}${this.text.join('')}${wrap}${back}\r${along}`);
  }
}

type Deletion = 'backspace' | 'delete' | 'delete word' | 'delete to start' | 'delete to end';
type Action = Deletion | 'left' | 'right' | 'home' | 'end' | 'word left' | 'word right' | 'older' | 'newer' | 'clear screen';

const actions: Readonly<Partial<Record<string, Action>>> = {
  '\u001b[D': 'left', '\u0002': 'left', '\u001b[C': 'right', '\u0006': 'right',
  '\u001b[A': 'older', '\u0010': 'older', '\u001b[B': 'newer', '\u000e': 'newer',
  '\u001b[H': 'home', '\u001b[1~': 'home', '\u001b[7~': 'home', '\u0001': 'home',
  '\u001b[F': 'end', '\u001b[4~': 'end', '\u001b[8~': 'end', '\u0005': 'end',
  '\u001b[1;5D': 'word left', '\u001b[1;3D': 'word left', '\u001bb': 'word left',
  '\u001b[1;5C': 'word right', '\u001b[1;3C': 'word right', '\u001bf': 'word right',
  '\u007f': 'backspace', '\b': 'backspace', '\u001b[3~': 'delete', '\u0004': 'delete',
  '\u0017': 'delete word', '\u001b\u007f': 'delete word', '\u0015': 'delete to start', '\u000b': 'delete to end',
  '\u000c': 'clear screen',
};

const isWord = (character: string | undefined): boolean => character !== undefined && /[\p{L}\p{N}_]/u.test(character);

/** Columns that a text takes: two for East Asian wide characters and emoji, none for marks. */
function widthOf(text: string): number {
  let width = 0;
  for (const character of text) {
    if (/\p{M}|\u200d/u.test(character)) continue;
    width += /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u.test(character) ? 2 : 1;
  }
  return width;
}

// Reads the commands of RASP's interactive loop that may stand in a file: set example, show example, examples on, exit.
import { RecoveringParser } from './recovery.ts';
import type { CommandStatement, ReplSubset, UnplacedStatement } from './syntax.ts';

const firstWords: ReadonlySet<string> = new Set(['set', 'show', 'examples', 'full', 'exit', 'quit', 's', 'selector']);

export abstract class CommandParser extends RecoveringParser {
  /** Null where an ordinary statement begins. */
  protected command(): UnplacedStatement | null {
    if (!firstWords.has(this.peek().text)) return null;
    const words = this.wordsOnLine();
    const subset = this.subsetAt(words[0] === 'set' || words[0] === 'show' ? 1 : 0, words);
    const rest = words.filter((_, i) => !(subset !== null && i === (words[0] === 'set' || words[0] === 'show' ? 1 : 0)));
    const line = rest.join(' ');
    if (rest[0] === 'set' && rest[1] === 'example') return this.setExample(subset);
    const command = (['show example', 'examples on', 'examples off', 'full seq display on', 'full seq display off'] as const).find(
      (known) => line === known || line.startsWith(`${known} `),
    );
    if (command !== undefined) return this.skipCommand(command, subset);
    if ((line === 'exit' || line === 'quit' || /^(?:exit|quit)\(\)/u.test(line)) && !this.followedBy('=')) {
      return this.exit();
    }
    return null;
  }

  /** The texts of the line's first tokens as far as they are words; `s-op` and `exit()` count as one. */
  private wordsOnLine(): string[] {
    const words: string[] = [];
    for (let i = this.position; words.length < 6; i++) {
      const token = this.tokens[i];
      if (token === undefined || token.kind === 'end' || (i > this.position && token.startsLine)) break;
      const three = `${token.text}${this.tokens[i + 1]?.text ?? ''}${this.tokens[i + 2]?.text ?? ''}`;
      if (three === 's-op' || three === 'exit()' || three === 'quit()') {
        words.push(three);
        i += 2;
      } else if (token.kind === 'name') words.push(token.text);
      else {
        // A symbol behind a lone word makes it an ordinary statement.
        if (words.length === 1) words.push(token.text);
        break;
      }
    }
    return words;
  }

  private subsetAt(index: number, words: readonly string[]): ReplSubset {
    const word = words[index];
    return (word === 's-op' || word === 'selector') && /^examples?$/u.test(words[index + 1] ?? '') ? word : null;
  }

  private followedBy(text: string): boolean {
    return this.tokens[this.position + 1]?.text === text;
  }

  private setExample(subset: ReplSubset): UnplacedStatement {
    while (this.peek().text !== 'example') this.advance();
    this.advance();
    return { kind: 'set-example', subset, example: this.expression() };
  }

  private skipCommand(command: CommandStatement['command'], subset: ReplSubset): UnplacedStatement {
    const last = command.split(' ').at(-1);
    while (this.peek().text !== last) this.advance();
    this.advance();
    return { kind: 'command', command, subset };
  }

  private exit(): UnplacedStatement {
    this.advance();
    if (!this.peek().startsLine && this.accept('(')) this.expect(')');
    return { kind: 'command', command: 'exit', subset: null };
  }
}

// Cuts RASP text into tokens; never fails: what is no token becomes one of kind `unknown`.

export type TokenKind = 'name' | 'int' | 'float' | 'string' | 'symbol' | 'unknown' | 'end';

export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  readonly start: number;
  readonly end: number;
  /** The first token of its line. */
  readonly startsLine: boolean;
  /** Offset from the line's start. */
  readonly column: number;
}

export interface Comment {
  /** From `#` to the end of the line, both trimmed. */
  readonly text: string;
  readonly start: number;
  readonly end: number;
  /** Nothing else stands on its line. */
  readonly ownLine: boolean;
}

export interface Tokens {
  /** Ends with a token of kind `end`. */
  readonly tokens: readonly Token[];
  readonly comments: readonly Comment[];
}

/** Words that end in `(`: no space may stand between. */
export const openers: ReadonlySet<string> = new Set(['select', 'aggregate', 'range', 'zip', 'len']);

const lexeme =
  /[ \t\r]+|(\n)|(#[^\r\n]*)|(\d+\.\d+)|(\d+)|("[^"\r\n]*")|((?:select|aggregate|range|zip|len)\(|[=!<>]=|[-=<>+*/%^()[\]{},;:])|([A-Za-z_]\w*)|"[^\r\n]*|[^\s\w#"]+?|[^]/uy;

/** Tokens and comments of a text, in order. */
export function tokenize(text: string): Tokens {
  const tokens: Token[] = [];
  const comments: Comment[] = [];
  let lineStart = 0;
  let startsLine = true;
  const push = (kind: TokenKind, start: number, end: number): void => {
    tokens.push({ kind, text: text.slice(start, end), start, end, startsLine, column: start - lineStart });
    startsLine = false;
  };
  lexeme.lastIndex = 0;
  for (let start = 0; start < text.length; ) {
    const match = lexeme.exec(text);
    if (match === null) break;
    const end = start + match[0].length;
    const [all, newline, comment] = match;
    if (newline !== undefined) {
      lineStart = end;
      startsLine = true;
    } else if (comment !== undefined) {
      const trimmed = comment.trimEnd();
      comments.push({ text: trimmed, start, end: start + trimmed.length, ownLine: startsLine });
    } else if (all.trim() !== '') push(kindOf(match), start, end);
    start = end;
  }
  push('end', text.length, text.length);
  return { tokens, comments };
}

function kindOf(match: RegExpExecArray): TokenKind {
  const [, , , float, int, string, symbol, name] = match;
  if (float !== undefined) return 'float';
  if (int !== undefined) return 'int';
  if (string !== undefined) return 'string';
  if (symbol !== undefined) return 'symbol';
  return name === undefined ? 'unknown' : 'name';
}

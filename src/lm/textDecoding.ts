// Text from tokens as they come: what may still change is held back.

const CONTEXT = 8;
/** Tokens that are decoded again with each new one, at most. */
const WINDOW = 24;
/** What a decoder gives for bytes that are no character, or not yet one. */
const incomplete = /\uFFFD+$/;

/**
 * Turns tokens into pieces of text that join to the whole. Tokens before show whether a leading space belongs to the
 * text; a character whose bytes come in several tokens is held back until it is complete.
 */
export class TextDecoding {
  private window: number[];
  private given: string;

  constructor(
    private readonly decode: (ids: readonly number[]) => string,
    context: readonly number[],
  ) {
    this.window = context.slice(-CONTEXT);
    this.given = this.decode(this.window);
  }

  push(id: number): string {
    this.window.push(id);
    const whole = this.decode(this.window);
    const certain = whole.replace(incomplete, '');
    const text = certain.slice(this.given.length);
    if (text !== '') this.given = certain;
    if (certain === whole) this.shorten();
    return text;
  }

  /** What is held back when nothing follows. */
  end(): string {
    const whole = this.decode(this.window);
    const text = whole.slice(this.given.length);
    this.given = whole;
    return text;
  }

  private shorten(): void {
    if (this.window.length <= WINDOW) return;
    this.window = this.window.slice(-CONTEXT);
    this.given = this.decode(this.window);
  }
}

// Places in a part of a document's text, whatever its line ends are: the part is taken with plain line feeds.

export interface LinePlace {
  readonly line: number;
  readonly character: number;
}

export class AnchoredText {
  private readonly lineStarts: readonly number[];

  /**
   * @param text with line feeds only
   * @param start where it begins in the document
   */
  constructor(
    readonly text: string,
    private readonly start: LinePlace,
  ) {
    this.lineStarts = [0, ...[...text.matchAll(/\n/gu)].map(({ index }) => index + 1)];
  }

  /** Of a place in the text, its line and character in the document. */
  placeIn(offset: number): LinePlace {
    const line = this.lineStarts.findLastIndex((start) => start <= offset);
    const character = offset - (this.lineStarts[line] ?? 0);
    return { line: this.start.line + line, character: line === 0 ? this.start.character + character : character };
  }

  /** Of a line and a character in the document, the place in the text; outside of it at its ends. */
  offsetOf({ line, character }: LinePlace): number {
    const own = line - this.start.line;
    if (own < 0 || (own === 0 && character < this.start.character)) return 0;
    const start = this.lineStarts[own];
    if (start === undefined) return this.text.length;
    const end = (this.lineStarts[own + 1] ?? this.text.length + 1) - 1;
    return Math.min(end, start + character - (own === 0 ? this.start.character : 0));
  }

  /** Does the text hold this place? */
  holds(place: LinePlace): boolean {
    const offset = this.offsetOf(place);
    const own = this.placeIn(offset);
    return own.line === place.line && own.character === place.character;
  }
}

// Text that streams out, held back while it may yet become a stop string.

export interface Released {
  /** What may be shown. */
  readonly text: string;
  /** The stop string that was met; nothing more is released then. */
  readonly stop: string | null;
}

/** Finds stop strings across the borders of pieces: the first to begin, the longest of those that begin together. */
export class StopWatch {
  private held = '';
  private readonly stops: readonly string[];

  constructor(stops: readonly string[]) {
    this.stops = stops.filter((stop) => stop !== '');
  }

  push(piece: string): Released {
    this.held += piece;
    const found = this.stops
      .map((stop) => ({ stop, at: this.held.indexOf(stop) }))
      .filter(({ at }) => at >= 0)
      .sort((a, b) => a.at - b.at || b.stop.length - a.stop.length)[0];
    if (found) return { text: this.held.slice(0, found.at), stop: found.stop };
    return { text: this.release(this.held.length - this.openLength()), stop: null };
  }

  /** What is still held when nothing follows. */
  end(): string {
    return this.release(this.held.length);
  }

  private release(length: number): string {
    const text = this.held.slice(0, length);
    this.held = this.held.slice(length);
    return text;
  }

  /** Length of the longest end of the held text that begins a stop string. */
  private openLength(): number {
    const longest = Math.max(0, ...this.stops.map((stop) => Math.min(stop.length - 1, this.held.length)));
    for (let length = longest; length > 0; length--) {
      const end = this.held.slice(-length);
      if (this.stops.some((stop) => stop.startsWith(end))) return length;
    }
    return 0;
  }
}

// What a terminal shows: sparklines, a live line of progress, coloured diffs.
import type { RepairProgress, TrajectoryPoint } from '../repair/types.ts';

/** Where output goes; a test gives its own. */
export interface Terminal {
  out(text: string): void;
  err(text: string): void;
  /** May standard error be rewritten in place, and standard output be coloured? */
  readonly live: boolean;
  readonly colours: boolean;
  readonly columns: number;
}

const bars = '▁▂▃▄▅▆▇█';

/** Values from low to high as bars, resampled to at most `width`. */
export function sparkline(values: readonly number[], low: number, high: number, width: number): string {
  const finite = values.filter((value) => Number.isFinite(value));
  const count = Math.min(width, finite.length);
  return Array.from({ length: count }, (_, i) => {
    const value = finite[count === 1 ? finite.length - 1 : Math.round((i * (finite.length - 1)) / (count - 1))] ?? low;
    const share = high > low ? (value - low) / (high - low) : 1;
    return bars[Math.max(0, Math.min(bars.length - 1, Math.round(share * (bars.length - 1))))] ?? '';
  }).join('');
}

export const percent = (share: number): string => `${(100 * share).toFixed(share > 0 && share < 1 ? 1 : 0)} %`;

const lossText = (loss: number): string => (Number.isFinite(loss) ? loss.toFixed(loss < 0.1 ? 4 : 2) : '–');

const CLEARED = '\r\u001b[K';

/** One line on standard error that is written over again and again, for terminals that can. */
export class LiveLine {
  constructor(private readonly terminal: Pick<Terminal, 'err' | 'live' | 'columns'>) {}

  rewrite(text: string): void {
    this.terminal.err(`${CLEARED}${text.slice(0, this.terminal.columns - 1)}`);
  }

  /** Takes the line away. */
  end(): void {
    if (this.terminal.live) this.terminal.err(CLEARED);
  }
}

/** Shows a repair as it goes: one line rewritten in place, or a new line for each improvement. */
export class LiveTrajectory {
  private readonly points: TrajectoryPoint[] = [];
  private shownAt = 0;
  private readonly shownStages = new Set<string>();
  private shownAccuracy = -1;
  private readonly live: LiveLine;

  constructor(
    private readonly terminal: Terminal,
    private readonly now: () => number,
  ) {
    this.live = new LiveLine(terminal);
  }

  show({ stage, message, point }: RepairProgress): void {
    if (point) this.points.push(point);
    if (this.terminal.live) this.rewrite(message);
    else this.append(stage, message);
  }

  private rewrite(message: string): void {
    if (this.now() - this.shownAt < 80) return;
    this.shownAt = this.now();
    this.live.rewrite(this.line(message));
  }

  private append(stage: string, message: string): void {
    const best = this.best();
    if (this.shownStages.has(stage) && best <= this.shownAccuracy) return;
    this.shownStages.add(stage);
    this.shownAccuracy = Math.max(best, this.shownAccuracy);
    this.terminal.err(`${this.line(message)}\n`);
  }

  private line(message: string): string {
    const last = this.points.at(-1);
    if (!last) return message;
    const graph = sparkline(this.points.map(({ accuracy }) => accuracy), 0, 1, 24);
    return `${graph}  exact ${percent(this.best())}  loss ${lossText(last.loss)}  ${message}`;
  }

  private best(): number {
    return this.points.reduce((best, { accuracy }) => Math.max(best, accuracy), 0);
  }

  /** Takes the live line away. */
  end(): void {
    this.live.end();
  }
}

/** The whole trajectory as two small pictures. */
export function trajectoryLines(points: readonly TrajectoryPoint[], width: number): string[] {
  const losses = points.map(({ loss }) => loss).filter((loss) => Number.isFinite(loss));
  const accuracies = points.map(({ accuracy }) => accuracy);
  const [first, last] = [losses[0], losses.at(-1)];
  const exact = `exact  ${sparkline(accuracies, 0, 1, width)}  ${percent(accuracies[0] ?? 0)} → ${percent(Math.max(0, ...accuracies))}`;
  if (first === undefined || last === undefined) return [exact];
  return [`loss   ${sparkline(losses, 0, Math.max(...losses), width)}  ${lossText(first)} → ${lossText(last)}`, exact];
}

/** A unified diff without its rule, coloured if wanted. */
export function colouredDiff(diff: string, colours: boolean): string {
  const paint: Readonly<Record<string, number>> = { '+': 32, '-': 31, '@': 36 };
  return diff
    .trimEnd()
    .split('\n')
    .filter((line) => !/^=+$/.test(line))
    .map((line) => {
      const colour = colours ? paint[line.charAt(0)] : undefined;
      return colour === undefined ? line : `\u001b[${colour}m${line}\u001b[0m`;
    })
    .join('\n');
}

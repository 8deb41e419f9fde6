// What has been measured, one JSON line each, written at once: a run that is stopped goes on where it was.
import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Job, Measurement } from './measure.ts';
import type { Method } from './methods.ts';
import { methods } from './methods.ts';
import { basePrograms, sourceOf } from './programs.ts';
import { sourceHash } from './sourceHash.ts';

interface Line {
  readonly key: string;
  readonly measurement: Measurement;
}

/** Raise it with every change of what a measurement holds or of how examples are drawn. */
const FORMAT = 1;

const short = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 12);

/** Gives each job its key: bug, method, settings, and the code that finds and judges. Other code, other keys. */
export function keysOf(wanted: readonly Method[]): (job: Job) => string {
  const programs = basePrograms.map(({ name }) => sourceOf(name, 'rasp') + sourceOf(name, 'tracr')).join('\0');
  const code = new Map(wanted.map((method) => [method, short(sourceHash([methods[method].entry, 'bench/raspbugs/judge.ts', 'bench/raspbugs/programs.ts']) + programs)]));
  return ({ bug, method, settings }) => {
    const { seed, budgetMillis, examples, fresh } = settings;
    return [bug.id, method, short(JSON.stringify([FORMAT, seed, budgetMillis, examples, fresh])), short(bug.source), code.get(method)].join('|');
  };
}

export class Journal {
  private constructor(
    private readonly path: string,
    private readonly known: Map<string, Measurement>,
  ) {}

  /** Opens what there is, or starts anew. Lines that were cut off, and jobs that failed, count as not measured. */
  static open(path: string, anew: boolean): Journal {
    mkdirSync(dirname(path), { recursive: true });
    if (anew) rmSync(path, { force: true });
    const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
    // A line that a kill cut short must not swallow the next one.
    if (text !== '' && !text.endsWith('\n')) appendFileSync(path, '\n');
    const lines = text.split('\n').flatMap((line) => parsed(line) ?? []);
    return new Journal(path, new Map(lines.filter(({ measurement }) => measurement.status !== 'failed').map(({ key, measurement }) => [key, measurement])));
  }

  get(key: string): Measurement | undefined {
    return this.known.get(key);
  }

  add(key: string, measurement: Measurement): void {
    this.known.set(key, measurement);
    appendFileSync(this.path, `${JSON.stringify({ key, measurement } satisfies Line)}\n`);
  }
}

function parsed(text: string): Line | null {
  try {
    const line = JSON.parse(text) as Partial<Line>;
    return typeof line.key === 'string' && typeof line.measurement === 'object' ? { key: line.key, measurement: line.measurement } : null;
  } catch {
    return null;
  }
}

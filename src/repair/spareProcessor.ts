// Is a processor idle? A further process on a busy machine would only take the time of the first.
import { cpus } from 'node:os';

/** Idle processors, on average since the last look, from which on another process is worth it. */
const WORTH = 0.5;
/** The system counts idle time too coarsely for a shorter look. */
const SHORTEST_LOOK_MS = 250;

export class SpareProcessor {
  private last = sample();
  private answer = false;

  /** True if other programs left about a processor idle since this was asked last, or since the beginning. */
  readonly isThere = (): boolean => {
    const now = sample();
    const elapsed = now.at - this.last.at;
    if (elapsed < SHORTEST_LOOK_MS) return this.answer;
    this.answer = (now.idle - this.last.idle) / elapsed >= WORTH;
    this.last = now;
    return this.answer;
  };
}

/** Idle milliseconds of all processors together. */
function sample(): { readonly at: number; readonly idle: number } {
  return { at: performance.now(), idle: cpus().reduce((sum, { times }) => sum + times.idle, 0) };
}

// How long the Python of a Tracr file may run, and how deep its calls may go.

const MAX_STEPS = 2_000_000;
const MAX_DEPTH = 200;

export const tooManySteps = `the program takes more than ${MAX_STEPS} steps to build; make its loops shorter`;
export const tooDeep = `calls are nested more than ${MAX_DEPTH} deep; does a function call itself without end?`;

export class Budget {
  private steps = 0;
  private depth = 0;
  private built = false;

  /** Counts a step; false where it is one too many. */
  step(): boolean {
    return ++this.steps <= MAX_STEPS;
  }

  /** Starts anew, for one entry. */
  reset(): void {
    this.steps = 0;
    this.depth = 0;
  }

  /** From now on functions are called from outside, element by element, and each call has a step budget of its own. */
  finishBuilding(): void {
    this.reset();
    this.built = true;
  }

  /** A function of the file is called. */
  enterFunction(): void {
    if (this.built && this.depth === 0) this.steps = 0;
  }

  /** Goes one call deeper; false where that is too deep. */
  descend(): boolean {
    return ++this.depth <= MAX_DEPTH;
  }

  ascend(): void {
    this.depth--;
  }
}

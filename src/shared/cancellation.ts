// Cancellation and progress shapes of the core: VS Code's CancellationToken fits the first one.

/** Anything that can tell that its work is no longer wanted. */
export interface CancellationToken {
  readonly isCancellationRequested: boolean;
  /** Calls the listener once, when cancellation is requested. */
  onCancellationRequested(listener: () => void): { dispose(): void };
}

export class CancelledError extends Error {
  override readonly name = 'CancelledError';
  constructor() {
    super('Cancelled.');
  }
}

export class CancellationSource {
  private readonly listeners = new Set<() => void>();
  private requested = false;

  readonly token: CancellationToken;

  constructor() {
    // The token reads its source live, so it must close over this instance.
    const isRequested = (): boolean => this.requested;
    const { listeners } = this;
    this.token = {
      get isCancellationRequested() {
        return isRequested();
      },
      onCancellationRequested(listener) {
        if (isRequested()) listener();
        else listeners.add(listener);
        return { dispose: () => void listeners.delete(listener) };
      },
    };
  }

  cancel(): void {
    if (this.requested) return;
    this.requested = true;
    for (const listener of this.listeners) listener();
    this.listeners.clear();
  }
}

export const neverCancelled: CancellationToken = new CancellationSource().token;

/** Throws CancelledError if the token asks for it. */
export function throwIfCancelled(token: CancellationToken): void {
  if (token.isCancellationRequested) throw new CancelledError();
}

let lastYield = 0;

/** Gives the event loop a turn at most every 10 ms of work, then honours cancellation. Await it in long loops. */
export async function interruptAndCheck(token: CancellationToken): Promise<void> {
  const now = performance.now();
  if (now - lastYield >= 10) {
    await new Promise<void>((resolve) => setImmediate(resolve));
    lastYield = performance.now();
  }
  throwIfCancelled(token);
}

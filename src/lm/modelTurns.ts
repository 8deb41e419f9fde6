// The language model that is open in a process, used by one piece of work at a time.
import { OpenModels } from './openModels.ts';

/** Hears what the model host's process says, its deaths among it. */
export type LineListener = (line: string) => void;

export class ModelTurns {
  private readonly listeners = new Set<LineListener>();
  private queue: Promise<unknown> = Promise.resolve();
  readonly models: OpenModels;

  constructor(hostPath: string) {
    this.models = new OpenModels(hostPath, (line) => {
      console.error(line);
      for (const listener of this.listeners) listener(line);
    });
  }

  /** One after the other: two at once would each take twice as long, and a model may have to be closed for the other. */
  take<T>(work: (models: OpenModels) => Promise<T>, listener: LineListener = () => undefined): Promise<T> {
    const result = this.queue.then(async () => {
      this.listeners.add(listener);
      return work(this.models).finally(() => this.listeners.delete(listener));
    });
    this.queue = result.catch(() => undefined);
    return result;
  }

  dispose(): void {
    this.models.dispose();
  }
}

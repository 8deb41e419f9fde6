// The names that an expression of a Tracr file sees.
import type { PythonValue } from './values.ts';

/** Names of one function call, inside those of the text around it. */
export class Scope {
  readonly names = new Map<string, PythonValue>();
  constructor(readonly parent: Scope | null) {}

  find(name: string): PythonValue | undefined {
    return this.names.has(name) ? this.names.get(name) : this.parent?.find(name);
  }

  all(): string[] {
    return [...this.names.keys(), ...(this.parent?.all() ?? [])];
  }
}

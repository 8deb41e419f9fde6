// Names and their values while a file is traced: scopes inside scopes, reserved names, what `load` passes on.
import type { RaspValue } from './values.ts';

/** Names that no assignment may take, anywhere. `tokens` is free. */
export const reservedNames: ReadonlySet<string> = new Set([
  'tokens_asis', 'tokens_str', 'tokens_int', 'tokens_bool', 'tokens_float', 'indices', 'True', 'False',
  'out', 'range', 'zip', 'len', 'get', 'select', 'aggregate',
]);

export class Scope {
  private readonly values = new Map<string, RaspValue>();

  /**
   * @param reserved names that this scope itself must not take, besides `reservedNames`
   * @param receiver the scope of the file that loads this one: gets every name that is not private
   */
  constructor(
    private readonly parent: Scope | null = null,
    private readonly reserved: ReadonlySet<string> = new Set(),
    private readonly receiver: Scope | null = null,
  ) {}

  get(name: string): RaspValue | undefined {
    let value = this.values.get(name);
    for (let scope = this.parent; value === undefined && scope !== null; scope = scope.parent) value = scope.values.get(name);
    return value;
  }

  /** Whether an assignment to the name is refused here or where it is passed on to. */
  refuses(name: string): boolean {
    if (reservedNames.has(name) || this.reserved.has(name)) return true;
    return !name.startsWith('_') && this.receiver !== null && this.receiver.refuses(name);
  }

  set(name: string, value: RaspValue): void {
    this.values.set(name, value);
    if (name !== 'out' && !name.startsWith('_')) this.receiver?.set(name, value);
  }

  /** The names of this scope itself and their values, for `restore`. */
  snapshot(): ReadonlyMap<string, RaspValue> {
    return new Map(this.values);
  }

  restore(values: ReadonlyMap<string, RaspValue>): void {
    this.values.clear();
    for (const [name, value] of values) this.values.set(name, value);
  }

  /** Every name that can be seen from here. */
  visibleNames(): string[] {
    return [...this.values.keys(), ...(this.parent?.visibleNames() ?? [])];
  }

  /** The names of this scope itself. */
  ownNames(): string[] {
    return [...this.values.keys()];
  }
}

// When some inputs of a model have no effect: a model without them may run in its place.
import type { HostTensor } from './protocol.ts';

/** Is one of the inputs 0 throughout? They are factors of one product. */
export const isAtRest = (feeds: Readonly<Record<string, HostTensor>>, inputs: readonly string[]): boolean =>
  inputs.some((name) => {
    const data = feeds[name]?.data;
    return data instanceof BigInt64Array ? data.every((value) => value === 0n) : (data?.every((value) => value === 0) ?? false);
  });

/** The feeds without these inputs. */
export const without = <T>(feeds: Readonly<Record<string, T>>, inputs: readonly string[]): Record<string, T> =>
  Object.fromEntries(Object.entries(feeds).filter(([name]) => !inputs.includes(name)));

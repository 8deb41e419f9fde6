// Which forms are worth trying: of those that behave alike on an op's domains, the cheapest.
import type { Form } from '../forms.ts';
import type { Value } from '../../rasp/program.ts';
import { ScalarError } from '../../rasp/scalar.ts';

/** Combinations of arguments on which all forms are compared, and those on which forms alike so far are. */
const FEW = 48;
const MANY = 1500;

/** Keeps the cheapest of forms with equal behaviour on the domains; behaviour nowhere defined is dropped. */
export function distinct(forms: readonly Form[], domains: readonly (readonly Value[])[], most = 4000): Form[] {
  const few = combinations(domains, FEW);
  const many = combinations(domains, MANY);
  const kept: Form[] = [];
  const buckets = new Map<string, { readonly form: Form; full?: string }[]>();
  for (const form of [...forms].sort((a, b) => a.cost - b.cost)) {
    if (kept.length >= most) break;
    const key = behaviour(form, few);
    const bucket = buckets.get(key) ?? [];
    const entry: { form: Form; full?: string } = { form };
    const alike = bucket.some((other) => (other.full ??= behaviour(other.form, many)) === (entry.full ??= behaviour(form, many)));
    if (alike || (form.cost > 0 && isNowhere(key) && isNowhere((entry.full ??= behaviour(form, many))))) continue;
    buckets.set(key, [...bucket, entry]);
    kept.push(form);
  }
  return kept;
}

const UNDEFINED = '!';
const SEPARATOR = '\u0001';

/** The results on the sample as a text, equal for forms that behave alike there. */
function behaviour(form: Form, sample: readonly (readonly Value[])[]): string {
  return sample
    .map((args) => {
      try {
        const value = form.fn(args);
        return typeof value === 'boolean' ? Number(value) : value;
      } catch (error) {
        if (error instanceof ScalarError) return UNDEFINED;
        throw error;
      }
    })
    .join(SEPARATOR);
}

const isNowhere = (key: string): boolean => key.split(SEPARATOR).every((value) => value === UNDEFINED);

export function combinations(domains: readonly (readonly Value[])[], most: number): Value[][] {
  const total = domains.reduce((size, domain) => size * domain.length, 1);
  const step = Math.max(1, Math.floor(total / most));
  const rows: Value[][] = [];
  for (let row = 0; row < total; row += step) {
    let rest = row;
    rows.push(
      domains.map((domain) => {
        const value = domain[rest % domain.length] ?? null;
        rest = Math.floor(rest / domain.length);
        return value;
      }),
    );
  }
  return rows;
}

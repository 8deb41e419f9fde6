// The form that changes nothing.
import type { Form } from '../forms.ts';

export const original = (fn: Form['fn']): Form => ({ label: 'as written', cost: 0, override: null, changes: [], fn });

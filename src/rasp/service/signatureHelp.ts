// Signature help: the parameters of the call around an offset, and which of them is being written.
import { builtInFunction, signatureOf } from './builtins.ts';
import { callAt } from './callAt.ts';
import { documentationOf, functionSignature } from './documentation.ts';
import type { LanguageFile } from './languageFile.ts';

export interface SignatureParameter {
  /** Where it stands in the label. */
  readonly range: readonly [number, number];
  readonly documentation: string;
}

export interface Signature {
  readonly label: string;
  readonly documentation: string;
  readonly parameters: readonly SignatureParameter[];
  /** Past the last parameter where too many arguments are written. */
  readonly active: number;
}

/** The signature of the innermost call around the offset, or null. */
export function signatureAt(file: LanguageFile, offset: number): Signature | null {
  const { comments, tokens } = file.tokens;
  if (comments.some(({ start, end }) => start < offset && offset <= end)) return null;
  const call = callAt(tokens, offset);
  if (!call?.name) return null;
  const symbol = file.visibleAt(offset).find(({ name }) => name === call.name)?.symbol;
  if (symbol?.origin === 'file') {
    const definition = symbol.definitions.findLast(({ form }) => form.kind === 'function');
    const label = functionSignature(definition);
    if (label === undefined || definition?.form.kind !== 'function') return null;
    const parameters = definition.form.statement.parameters.map(({ name }) => ({ label: name, doc: '' }));
    return { label, documentation: documentationOf(symbol, file), parameters: placed(label, parameters), active: call.argument };
  }
  const known = builtInFunction(call.name);
  if (!known) return null;
  const label = signatureOf(known);
  const last = known.parameters.length - 1;
  return { label, documentation: known.doc, parameters: placed(label, known.parameters), active: known.variadic ? Math.min(call.argument, last) : call.argument };
}

function placed(label: string, parameters: readonly { readonly label: string; readonly doc: string }[]): SignatureParameter[] {
  let from = label.indexOf('(') + 1;
  return parameters.map(({ label: name, doc }) => {
    const found = label.indexOf(name, from);
    const start = found < 0 ? from : found;
    from = start + name.length;
    return { range: [start, from], documentation: doc };
  });
}

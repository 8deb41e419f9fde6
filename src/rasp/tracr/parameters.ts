// How the arguments of a call meet the parameters of a function of the file.
import { Scope } from './scope.ts';
import type { Arguments, PythonValue } from './values.ts';
import { PythonError, tuple } from './values.ts';

/** A parameter of a function of the file. */
export interface Parameter {
  readonly name: string;
  readonly kind: 'plain' | 'keyword' | 'list' | 'dict';
  readonly fallback: PythonValue | undefined;
}

/**
 * The scope of a call: parameters bound as Python binds them.
 * @param name of the function, for messages
 * @throws PythonError where they do not fit
 */
export function bind(parameters: readonly Parameter[], args: Arguments, parent: Scope, name: string): Scope {
  const scope = new Scope(parent);
  bindPositional(parameters, args, scope, name);
  bindKeywords(parameters, args, scope, name);
  for (const { name: parameter, kind, fallback } of parameters) {
    if (scope.names.has(parameter)) continue;
    if (kind === 'dict') scope.names.set(parameter, { kind: 'dict', entries: new Map() });
    else if (fallback === undefined) fail(`${name} needs the argument “${parameter}”`, args);
    else scope.names.set(parameter, fallback);
  }
  return scope;
}

function bindPositional(parameters: readonly Parameter[], args: Arguments, scope: Scope, name: string): void {
  const plain = parameters.filter(({ kind }) => kind === 'plain');
  const rest = parameters.find(({ kind }) => kind === 'list');
  const { positional } = args;
  if (positional.length > plain.length && !rest) fail(`${name} takes ${plain.length} positional arguments, and ${positional.length} are given`, args);
  positional.slice(0, plain.length).forEach((value, i) => scope.names.set(plain[i]?.name ?? '', value));
  if (rest) scope.names.set(rest.name, tuple(positional.slice(plain.length)));
}

function bindKeywords(parameters: readonly Parameter[], args: Arguments, scope: Scope, name: string): void {
  for (const [keyword, value] of args.keywords) {
    if (!parameters.some((p) => p.name === keyword && p.kind !== 'list' && p.kind !== 'dict')) fail(`${name} has no parameter “${keyword}”`, args);
    scope.names.set(keyword, value);
  }
}

function fail(message: string, { span }: Arguments): never {
  throw new PythonError('argument', message, span);
}

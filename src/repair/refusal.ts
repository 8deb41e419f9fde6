// When nothing is tried: programs that cannot be read, examples that no program can satisfy, entries that are not there.
import type { RepairRequest } from './types.ts';
import { findBadRows } from './verify.ts';
import type { Analysis } from '../rasp/analyse.ts';
import type { Diagnostic } from '../rasp/diagnostic.ts';

/** What has to be mended before a repair can begin; empty if it can. */
export function refuse(request: RepairRequest, analysis: Analysis): Diagnostic[] {
  const errors = analysis.diagnostics.filter(isFatal);
  if (errors.length > 0) return errors;
  return findBadRows(request.examples, request.source.path);
}

/** An op that fails on some input is a bug to repair, not a reason to refuse. */
export const isFatal = ({ severity, code }: Diagnostic): boolean => severity === 'error' && code !== 'evaluation';

export function noEntry({ entry, source }: RepairRequest, analysis: Analysis): Diagnostic {
  const names = analysis.entries.map(({ name }) => name);
  const known = names.length > 0 ? `The file has: ${[...new Set(names)].join(', ')}.` : 'The file has none.';
  const wanted = entry === undefined ? 'There is no s-op to repair.' : `There is no s-op named “${entry}”.`;
  return {
    code: 'unknown-entry',
    severity: 'error',
    message: `${wanted} ${known}`,
    span: { file: source.path, start: 0, end: 0 },
  };
}

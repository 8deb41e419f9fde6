// The repair under test on one task of the benchmark.
import type { Outcome, RepairTask } from './baselines/task.ts';
import type { RepairServices } from '../../src/repair/repair.ts';
import { repair } from '../../src/repair/repair.ts';
import type { RepairMethod, RepairProgress } from '../../src/repair/types.ts';

/** @param services what stands in for parts of the repair, for baselines */
export async function repaired(method: RepairMethod, { bug, examples, seed, budgetMillis }: RepairTask, services: RepairServices): Promise<Outcome> {
  const { path, source: text, dialect } = bug;
  const started = performance.now();
  let verified: number | null = null;
  const onProgress = ({ stage }: RepairProgress): void => {
    if (stage === 'verify') verified ??= Math.round(performance.now() - started);
  };
  const result = await repair({ source: { path, text }, dialect, examples, method, budgetMillis, seed }, services, { onProgress });
  if (result.status === 'refused') {
    return { status: 'refused', foundBy: null, text: null, suspects: [], evaluations: 0, firstEvaluations: null, millis: 0, firstMillis: null, summary: result.diagnostics[0]?.message ?? '' };
  }
  const { status, method: foundBy, patch, suspects, evaluations, firstEvaluations, millis } = result;
  const firstMillis = patch ? Math.min(verified ?? millis, millis) : null;
  return { status, foundBy, text: patch?.source ?? null, suspects, evaluations, firstEvaluations, millis, firstMillis, summary: patch?.summary ?? '' };
}

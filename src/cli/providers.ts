// gradlens providers: which execution providers work on this machine, each held against the CPU.
import type { Environment, Outcome } from './outcome.ts';
import { selfCheck } from '../numeric/selfCheck.ts';
import { ModelHost } from '../runtime/client.ts';
import { chooseProvider, describeProviders, probeProviders } from '../runtime/providers.ts';

export async function providers({ hostPath }: Environment): Promise<Outcome> {
  const host = ModelHost.start({ hostPath });
  try {
    const reports = await probeProviders(host, await selfCheck(host));
    const json = { chosen: chooseProvider(reports), providers: reports };
    return { exitCode: 0, json, lines: describeProviders(reports).split('\n') };
  } finally {
    host.dispose();
  }
}

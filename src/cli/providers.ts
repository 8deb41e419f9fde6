// gradlens providers: which execution providers work on this machine, each held against the CPU.
import type { Environment, Outcome } from './outcome.ts';
import { selfCheck } from '../numeric/selfCheck.ts';
import { ModelHost } from '../runtime/client.ts';
import type { Provider } from '../runtime/protocol.ts';
import { candidates, chooseProvider, describeProviders, passedOver, probeProviders, providersOf, withHardware } from '../runtime/providers.ts';
import type { ParsedArguments } from './usage.ts';
import { UsageError } from './usage.ts';

export async function providers({ hostPath }: Environment): Promise<Outcome> {
  const host = ModelHost.start({ hostPath });
  try {
    const reports = await probeProviders(host, await selfCheck(host));
    const json = { chosen: chooseProvider(reports), models: [...candidates(reports).map(({ provider }) => provider), 'cpu'], providers: reports };
    return { exitCode: 0, json, lines: describeProviders(reports).split('\n') };
  } finally {
    host.dispose();
  }
}

/** What --provider says; `auto` where it is not given. @throws UsageError */
export function providerOption({ values }: Pick<ParsedArguments, 'values'>): Provider | 'auto' {
  const { provider: wanted = 'auto' } = values;
  const known = ['auto', ...providersOf(process.platform)] as const;
  const found = known.find((name) => name === wanted);
  if (found === undefined) throw new UsageError(`--provider takes one of ${known.join(', ')}, not “${wanted}”. “gradlens providers” says which work here.`);
  return found;
}

/** Providers that a language model may be tried on before CPU; why others are passed over is said on standard error. */
export async function modelProviders(host: ModelHost, { terminal }: Environment): Promise<readonly Provider[]> {
  if (withHardware(host).length === 0) return [];
  const reports = await probeProviders(host, await selfCheck(host));
  for (const line of passedOver(reports)) terminal.err(`${line}\n`);
  return candidates(reports).map(({ provider }) => provider);
}

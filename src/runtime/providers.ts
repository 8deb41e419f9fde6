// Which execution providers run here: each is tried, checked against CPU and timed; the rest say why they do not run.
import type { ModelHost } from './client.ts';
import { RuntimeError, HostDiedError } from './client.ts';
import type { Device } from './devices.ts';
import { deviceOf } from './devices.ts';
import type { HostTensor, Provider } from './protocol.ts';

/** A small model with its gradient, to be run on every provider. */
export interface SelfCheck {
  readonly model: Uint8Array;
  readonly feeds: Readonly<Record<string, HostTensor>>;
}

export interface ProviderReport {
  readonly provider: Provider;
  readonly device: Device;
  readonly works: boolean;
  /** Why it does not run, or what to know about it. */
  readonly reason: string;
  /** Relative L2 difference from CPU over all outputs; null where it did not run. */
  readonly difference: number | null;
  /** Median of five runs, milliseconds; null where it did not run. */
  readonly millis: number | null;
}

/** Largest relative L2 difference from CPU that counts as agreement (fp32). */
export const AGREEMENT = 1e-3;

/** In the order in which they are tried. */
export function providersOf(platform: NodeJS.Platform): readonly Provider[] {
  switch (platform) {
    case 'win32':
      return ['dml', 'webgpu', 'cpu'];
    case 'darwin':
      return ['coreml', 'webgpu', 'cpu'];
    default:
      return ['cuda', 'webgpu', 'cpu'];
  }
}

/** Providers other than CPU that have hardware to run on, as far as the system tells; without any no self-check is needed. */
export const withHardware = ({ environment }: Pick<ModelHost, 'environment'>, platform = process.platform): readonly Provider[] =>
  providersOf(platform).filter((provider) => provider !== 'cpu' && deviceOf(provider, { platform, environment }).hardware);

/** Tries every provider of the platform. A provider that fails or kills the host is reported, and the next is tried. */
export async function probeProviders(host: ModelHost, check: SelfCheck, platform = process.platform): Promise<ProviderReport[]> {
  const truth = await run(host, check, 'cpu');
  const reports: ProviderReport[] = [];
  for (const provider of providersOf(platform)) {
    const device = deviceOf(provider, { platform, environment: host.environment });
    if (provider === 'cpu') reports.push({ provider, device, works: true, reason: 'the reference', difference: 0, millis: truth.millis });
    else reports.push({ device, ...(await probe(host, check, provider, truth)) });
  }
  return reports;
}

interface Outcome {
  readonly outputs: Readonly<Record<string, HostTensor>>;
  readonly millis: number;
}

async function probe(host: ModelHost, check: SelfCheck, provider: Provider, truth: Outcome): Promise<Omit<ProviderReport, 'device'>> {
  try {
    const { outputs, millis } = await run(host, check, provider);
    const difference = relativeDifference(outputs, truth.outputs);
    if (!(difference < AGREEMENT)) {
      return { provider, works: false, reason: `it disagrees with CPU by ${difference.toExponential(1)}; the limit is ${AGREEMENT}`, difference, millis };
    }
    const slower = millis > truth.millis;
    return { provider, works: true, reason: slower ? 'slower than CPU on small graphs, so those stay on CPU' : 'faster than CPU', difference, millis };
  } catch (error) {
    if (!(error instanceof RuntimeError) && !(error instanceof HostDiedError)) throw error;
    return { provider, works: false, reason: reasonOf(error.message), difference: null, millis: null };
  }
}

/** The part of a message that says what is wrong, without the runtime's own words where there are better ones. */
export function reasonOf(message: string): string {
  const line = message.split('\n')[0] ?? message;
  return (/^(.{20,}?[.!]) \(/.exec(line)?.[1] ?? line).slice(0, 300);
}

async function run(host: ModelHost, { model, feeds }: SelfCheck, provider: Provider): Promise<Outcome> {
  const session = await host.createSession(model, { provider });
  try {
    let outputs = await session.run(feeds);
    const times: number[] = [];
    for (let i = 0; i < 5; i++) {
      const started = performance.now();
      outputs = await session.run(feeds);
      times.push(performance.now() - started);
    }
    return { outputs, millis: times.sort((a, b) => a - b)[2] ?? Number.NaN };
  } finally {
    await session.release();
  }
}

/** ‖a − b‖ ∕ ‖b‖ over all numbers of the tensors of b. */
export function relativeDifference(a: Readonly<Record<string, HostTensor>>, b: Readonly<Record<string, HostTensor>>): number {
  let difference = 0;
  let size = 0;
  for (const [name, tensor] of Object.entries(b)) {
    const other = a[name]?.data;
    tensor.data.forEach((value: number | bigint, i: number) => {
      difference += (Number(value) - Number(other?.[i] ?? Number.NaN)) ** 2;
      size += Number(value) ** 2;
    });
  }
  return Math.sqrt(difference / Math.max(size, Number.MIN_VALUE));
}

/**
 * The provider for small graphs: the first in the platform's order that agrees with CPU and is faster. A driver in
 * software never is: it computes on the same processor.
 */
export function chooseProvider(reports: readonly ProviderReport[]): Provider {
  const cpu = reports.find(({ provider }) => provider === 'cpu');
  const faster = candidates(reports).find(({ millis }) => (millis ?? Infinity) < (cpu?.millis ?? 0));
  return faster?.provider ?? 'cpu';
}

/** The providers that a large model may be tried on, in the platform's order: they agree with CPU, on hardware of their own. */
export const candidates = (reports: readonly ProviderReport[]): readonly ProviderReport[] =>
  reports.filter(({ provider, works, device }) => provider !== 'cpu' && works && device.hardware);

/** Why each provider before the chosen one is passed over, a line each. */
export function passedOver(reports: readonly ProviderReport[]): string[] {
  return reports.filter((report) => report.provider !== 'cpu' && !candidates(reports).includes(report)).map(({ provider, works, reason, device }) =>
    `${provider} is passed over: ${works ? `it has no hardware of its own (${device.name})` : reason}`);
}

/** The reports as a table for a person. */
export function describeProviders(reports: readonly ProviderReport[]): string {
  const rows = reports.map(({ provider, device, works, reason, difference, millis }) => [
    provider,
    works ? 'works' : 'does not run',
    millis === null ? '–' : `${millis.toFixed(2)} ms`,
    difference === null ? '–' : difference.toExponential(1),
    device.name,
    reason,
  ]);
  const table = [['provider', 'state', 'self-check', 'difference from CPU', 'device', 'why'], ...rows];
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  const lines = table.map((row) => row.map((cell, column) => (column < 5 ? cell.padEnd(widths[column] ?? 0) : cell)).join('  '));
  const models = [...candidates(reports).map(({ provider }) => provider), 'cpu'];
  return [...lines, '', `Small graphs run on: ${chooseProvider(reports)}`, `Language models are tried on: ${models.join(', then ')}`].join('\n');
}

// What a benchmark ran on, for its report.
import { readFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';

export type Machine = Readonly<Record<string, string>>;

export function machine(): Machine {
  const { dependencies } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { dependencies: Record<string, string> };
  return {
    CPU: `${cpus()[0]?.model.trim() ?? 'unknown'} × ${cpus().length}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `${process.platform} ${process.arch}`,
    Node: process.version,
    'onnxruntime-node': dependencies['onnxruntime-node'] ?? 'unknown',
    date: new Date().toISOString().slice(0, 10),
  };
}

/** On one line. */
export const machineText = (on: Machine): string => Object.entries(on).map(([key, value]) => `${key}: ${value}`).join('; ');

// Peak memory of the model host: against the number of steps, and against what an attribution says beforehand.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { openModelFolder } from '../../src/lm/folder.ts';
import { ModelHost } from '../../src/runtime/client.ts';
import { Random } from '../../src/shared/random.ts';
import { openAttributor } from '../../src/steering/attribution.ts';

export interface MemoryRow {
  readonly model: string;
  readonly length: number;
  readonly steps: number;
  readonly chunk: number;
  /** What the plan says, beside the weights; bytes. */
  readonly estimate: number;
  /** By how much the host's peak grew over that of a prompt of two tokens, of the same session. */
  readonly measured: number;
}

const tinyCode = fileURLToPath(new URL('../../models/tiny-code', import.meta.url));
const stories = fileURLToPath(new URL('../../../shared/models/stories260k', import.meta.url));

export async function memory(hostPath: string): Promise<readonly MemoryRow[]> {
  const rows: MemoryRow[] = [];
  for (const [model, location, length, chunks] of [['tiny-code', tinyCode, 190, [1, 4]], ['stories260k', stories, 512, [1, 2, 4]]] as const) {
    if (!existsSync(location)) continue;
    for (const chunk of chunks) for (const steps of chunk === 1 ? [20, 100] : [20]) rows.push(await measured(hostPath, { model, location, length, chunk, steps }));
  }
  return rows;
}

async function measured(hostPath: string, { model, location, length, chunk, steps }: { readonly model: string; readonly location: string; readonly length: number; readonly chunk: number; readonly steps: number }): Promise<MemoryRow> {
  const host = ModelHost.start({ hostPath });
  try {
    const opened = openModelFolder(location);
    if (!opened.ok) throw new Error(opened.problem.message);
    const attributor = await openAttributor(opened.folder, host, { session: { provider: 'cpu', threads: 1 } });
    if (!attributor.ok) throw new Error(attributor.problem.message);
    const random = new Random(1);
    const prompt = [1, ...Array.from({ length: length - 1 }, () => random.integer(3, (opened.folder.sizes.vocabulary ?? 4) - 1))];
    const asked = { prompt, fixed: [0], preferred: [270], dispreferred: [301], steps, chunk };
    const { bytes } = await attributor.attributor.plan(asked);
    await attributor.attributor.attribute({ ...asked, prompt: prompt.slice(0, 2) });
    const before = peakOf(host.pid);
    await attributor.attributor.attribute(asked);
    return { model, length, steps, chunk, estimate: bytes, measured: peakOf(host.pid) - before };
  } finally {
    host.dispose();
  }
}

/** VmHWM of /proc/PID/status (proc(5)). */
export function peakOf(pid: number | undefined): number {
  try {
    return 1024 * Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  } catch {
    return Number.NaN;
  }
}

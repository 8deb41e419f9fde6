// One model host for all tests of a run, built on demand; it ends with the run.
import { buildSync } from 'esbuild';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ModelHost } from '../../src/runtime/client.ts';
import type { ModelHostOptions } from '../../src/runtime/client.ts';
import type { Execute } from '../../src/onnx/shapes.ts';

const root = new URL('../../', import.meta.url);
const built = new Set<string>();

/** A script as the build makes it, from the present sources. */
function builtScript(entry: string, name: string): string {
  const outfile = fileURLToPath(new URL(`artifacts/test/${name}`, root));
  if (built.has(name)) return outfile;
  mkdirSync(new URL('artifacts/test/', root), { recursive: true });
  buildSync({
    entryPoints: [fileURLToPath(new URL(entry, root))],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    external: ['onnxruntime-node'],
    logLevel: 'warning',
  });
  built.add(name);
  return outfile;
}

export const builtHost = (name = 'host.cjs'): string => builtScript('src/runtime/host.ts', name);

export const builtWorker = (name = 'worker.cjs'): string => builtScript('src/repair/worker.ts', name);

/** A process that leads a repair, for a test that kills it. */
export const builtLeader = (): string => builtScript('test/support/leadingProcess.ts', 'parallel-leader.cjs');

/** The command line as the build makes it. */
export const builtCli = (): string => builtScript('src/cli.ts', 'models-cli.cjs');

/** A process that downloads a model, for a test that kills it. */
export const builtDownloader = (): string => builtScript('test/support/downloadingProcess.ts', 'downloader.cjs');

/** A host of one's own, for tests that kill it. Dispose it. */
export const startHost = (options: Partial<ModelHostOptions> = {}): ModelHost => ModelHost.start({ hostPath: builtHost(), ...options });

let shared: ModelHost | undefined;

/** The host that tests share. Never kill it. */
export function sharedHost(): ModelHost {
  shared ??= startHost();
  return shared;
}

/** Runs a model once on the CPU. */
export const execute: Execute = async (model, feeds) => {
  const session = await sharedHost().createSession(model, { provider: 'cpu', optimization: 'disabled' });
  try {
    return await session.run(feeds);
  } finally {
    await session.release();
  }
};

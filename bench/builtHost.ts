// The processes that the extension ships, built from the sources as they are now.
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

/** The path of the model host. */
export const builtHost = (): string => built('src/runtime/host.ts', 'host.cjs');

/** The path of the repair worker. */
export const builtWorker = (): string => built('src/repair/worker.ts', 'worker.cjs');

function built(entry: string, name: string): string {
  const root = new URL('../', import.meta.url);
  const outfile = fileURLToPath(new URL(`artifacts/bench/${name}`, root));
  buildSync({ entryPoints: [fileURLToPath(new URL(entry, root))], outfile, bundle: true, platform: 'node', target: 'node20', format: 'cjs', external: ['onnxruntime-node'], logLevel: 'warning' });
  return outfile;
}

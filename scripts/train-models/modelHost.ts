// The model host of the training scripts, built from the present sources.
import { buildSync } from 'esbuild';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ModelHost } from '../../src/runtime/client.ts';

const root = new URL('../../', import.meta.url);

export const rootPath = (relative: string): string => fileURLToPath(new URL(relative, root));

/** Dispose it when done. */
export function startModelHost(): ModelHost {
  const outfile = rootPath('artifacts/train/host.cjs');
  mkdirSync(rootPath('artifacts/train'), { recursive: true });
  buildSync({ entryPoints: [rootPath('src/runtime/host.ts')], outfile, bundle: true, platform: 'node', target: 'node20', format: 'cjs', external: ['onnxruntime-node'], logLevel: 'warning' });
  return ModelHost.start({ hostPath: outfile });
}

// One model host for all tests of a run, built on demand; it ends with the run.
import { buildSync } from 'esbuild';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ModelHost } from '../../src/runtime/client.ts';
import type { ModelHostOptions } from '../../src/runtime/client.ts';
import type { Execute } from '../../src/onnx/shapes.ts';

const root = new URL('../../', import.meta.url);
const hostPath = fileURLToPath(new URL('artifacts/test/host.cjs', root));
let built = false;

/** The host script as the build makes it, from the present sources. */
export function builtHost(): string {
  if (built) return hostPath;
  mkdirSync(new URL('artifacts/test/', root), { recursive: true });
  buildSync({
    entryPoints: [fileURLToPath(new URL('src/runtime/host.ts', root))],
    outfile: hostPath,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    external: ['onnxruntime-node'],
    logLevel: 'warning',
  });
  built = true;
  return hostPath;
}

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

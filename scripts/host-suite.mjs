// Bundles test/host for the extension host; both launchers run the same bundle.
import { build } from 'esbuild';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { root } from './setup.mjs';

/** Gives the path of the module whose `run` VS Code calls. */
export async function buildHostSuite() {
  const folder = path.join(root, 'test', 'host');
  const outdir = path.join(root, 'artifacts', 'host-suite');
  const files = readdirSync(folder).filter((file) => file.endsWith('.ts'));
  await build({
    entryPoints: files.map((file) => path.join(folder, file)),
    outdir,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    outExtension: { '.js': '.cjs' },
    external: ['vscode', 'mocha'],
    sourcemap: 'inline',
    logLevel: 'warning',
  });
  return path.join(outdir, 'index.cjs');
}

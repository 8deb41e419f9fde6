// A hash over everything that a module's behaviour hangs on, so that results of other code are not taken for its own.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Of the entries and of all modules that they import, types aside. Paths count from the project's root. */
export function sourceHash(entries: readonly string[]): string {
  const { metafile } = buildSync({
    absWorkingDir: root, entryPoints: [...entries], bundle: true, write: false, outdir: 'unused', metafile: true,
    platform: 'node', format: 'esm', packages: 'external', logLevel: 'silent',
  });
  const hash = createHash('sha256');
  for (const path of Object.keys(metafile.inputs).sort()) hash.update(`${path}\0`).update(readFileSync(`${root}/${path}`)).update('\0');
  return hash.digest('hex').slice(0, 12);
}

// What tests of probes share: the project's own small model, opened.
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import type { ResidualReader } from '../../../src/probes/residualReader.ts';
import { openResidualReader } from '../../../src/probes/residualReader.ts';
import type { ModelFolder } from '../../../src/lm/folder.ts';
import { sharedHost } from '../../support/host.ts';
import type { ModelFiles } from '../lm/models.ts';
import { filesOf } from '../lm/models.ts';

export const tinyCode = (): ModelFiles => filesOf(fileURLToPath(new URL('../../../models/tiny-code', import.meta.url)));

export async function readerOf(folder: ModelFolder, sites: readonly string[], host = sharedHost()): Promise<ResidualReader> {
  const opened = await openResidualReader(host, folder, sites, { provider: 'cpu', threads: 1 });
  return opened.ok ? opened.reader : assert.fail(opened.problem.message);
}

/** Largest difference. */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  assert.equal(a.length, b.length);
  return Math.max(0, ...Array.from(a, (value, i) => Math.abs(value - (b[i] ?? Number.NaN))));
}

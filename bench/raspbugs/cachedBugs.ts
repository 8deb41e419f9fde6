// The generated bugs, kept on disk: making the whole benchmark takes some seconds, and gives the same every time.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { Sample } from './generate.ts';
import { stratifiedSample, wholeBenchmark } from './generate.ts';
import { basePrograms, sourceOf } from './programs.ts';
import { sourceHash } from './sourceHash.ts';

/** `whole`: in the published numbers and proportions; else so many of every program and order. */
export type Extent = { readonly whole: true } | { readonly perCell: number };

/** @param folder where the files lie; one for each seed, extent and version of the generator */
export function cachedSample(seed: number, extent: Extent, folder: URL): Sample {
  const name = `bugs-${'whole' in extent ? 'whole' : extent.perCell}-${seed}-${generatorHash()}.json`;
  const file = new URL(name, folder);
  const known = read(file);
  if (known) return known;
  const sample = 'whole' in extent ? wholeBenchmark(seed) : stratifiedSample(seed, extent.perCell);
  mkdirSync(folder, { recursive: true });
  // Renamed into place, so that a second run never reads half a file.
  const unfinished = new URL(`${name}.${process.pid}`, folder);
  writeFileSync(unfinished, JSON.stringify(sample));
  renameSync(unfinished, file);
  return sample;
}

function generatorHash(): string {
  const hash = createHash('sha256').update(sourceHash(['bench/raspbugs/generate.ts']));
  for (const { name } of basePrograms) hash.update(sourceOf(name, 'rasp')).update(sourceOf(name, 'tracr'));
  return hash.digest('hex').slice(0, 12);
}

function read(file: URL): Sample | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Sample;
  } catch {
    return null;
  }
}

// What a model folder remembers of its download (so that a complete one needs no network), and whose turn it is to write there.
import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import * as v from 'valibot';
import { DownloadFault } from './problem.ts';

const recordName = '.gradlens-download.json';
const lockName = '.gradlens-download.lock';

const recordedVariant = v.object({
  revision: v.string(),
  commit: v.string(),
  /** The variant that is meant where none is named. */
  isDefault: v.boolean(),
  root: v.string(),
  complete: v.boolean(),
  files: v.array(v.object({ path: v.string(), bytes: v.number() })),
});
const recordShape = v.object({ version: v.literal(1), repo: v.string(), variants: v.record(v.string(), recordedVariant) });

export type RecordedVariant = v.InferOutput<typeof recordedVariant>;
export type DownloadRecord = v.InferOutput<typeof recordShape>;

export async function readRecord(folder: string): Promise<DownloadRecord | null> {
  const text = await readFile(path.join(folder, recordName), 'utf8').catch(() => null);
  if (text === null) return null;
  try {
    const parsed = v.safeParse(recordShape, JSON.parse(text));
    return parsed.success ? parsed.output : null;
  } catch {
    return null;
  }
}

export async function writeRecord(folder: string, record: DownloadRecord): Promise<void> {
  const target = path.join(folder, recordName);
  await writeFile(`${target}.new`, `${JSON.stringify(record, null, 1)}\n`);
  await rename(`${target}.new`, target);
}

/** The variant that is asked for, if it has been downloaded at that revision and every file still has its size. */
export async function completeVariant(folder: string, repo: string, revision: string, variant: string | undefined): Promise<(RecordedVariant & { readonly name: string }) | null> {
  const record = await readRecord(folder);
  if (record?.repo !== repo) return null;
  const found = Object.entries(record.variants).find(([name, { isDefault }]) => (variant === undefined ? isDefault : name === variant));
  if (!found || !found[1].complete || (found[1].revision !== revision && found[1].commit !== revision)) return null;
  const sizes = await Promise.all(found[1].files.map(async (file) => (await stat(path.join(folder, file.path)).catch(() => null))?.size === file.bytes));
  return sizes.every(Boolean) ? { name: found[0], ...found[1] } : null;
}

const lockShape = v.object({ pid: v.number(), host: v.string() });

/** Runs `work` while no other process downloads into the folder. @throws DownloadFault busy */
export async function lockedFolder<T>(folder: string, work: () => Promise<T>): Promise<T> {
  const lock = path.join(folder, lockName);
  const mine = JSON.stringify({ pid: process.pid, host: hostname() });
  await acquire(lock, mine, folder);
  try {
    return await work();
  } finally {
    if ((await readFile(lock, 'utf8').catch(() => '')) === mine) await rm(lock, { force: true });
  }
}

async function acquire(lock: string, mine: string, folder: string): Promise<void> {
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      await writeFile(lock, mine, { flag: 'wx' });
      return;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    }
    if (!(await isStale(lock))) break;
    await rm(lock, { force: true });
  }
  throw new DownloadFault('busy', `Another download into ${folder} is running. Wait for it; if there is none, delete ${lock}.`);
}

/** A process that was killed leaves its lock. */
async function isStale(lock: string): Promise<boolean> {
  const text = await readFile(lock, 'utf8').catch(() => '');
  const parsed = v.safeParse(lockShape, parse(text));
  if (!parsed.success) return text === '';
  const { pid, host } = parsed.output;
  if (host !== hostname()) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ESRCH';
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

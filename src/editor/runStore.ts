// Keeps the latest repair runs of a workspace, one file each; a file that cannot be read is passed over. Knows no VS Code.
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { RunRecord } from './runRecord.ts';
import { parseRecord } from './runRecord.ts';

export const mostRuns = 20;
const ending = '.run.json';
const modelEnding = '.onnx';

export class RunStore {
  /** Writes follow each other, so that the last state of a run is the one that stays. */
  private last: Promise<void> = Promise.resolve();

  constructor(
    private readonly folder: string,
    private readonly log: (line: string) => void,
  ) {}

  /** Writes the run's present state, whole or not at all, and lets the oldest runs go. Problems are logged. */
  save(record: RunRecord): Promise<void> {
    return this.queued(async () => {
      await mkdir(this.folder, { recursive: true });
      const file = this.fileOf(record.id);
      await writeFile(`${file}.tmp`, JSON.stringify(record));
      await rename(`${file}.tmp`, file);
      await this.prune();
    });
  }

  /** Keeps the model that a run trained, as long as the run. Problems are logged. */
  saveModel(id: string, onnx: Uint8Array): Promise<void> {
    return this.queued(async () => {
      await mkdir(this.folder, { recursive: true });
      const file = this.modelOf(id);
      await writeFile(`${file}.tmp`, onnx);
      await rename(`${file}.tmp`, file);
    });
  }

  /** The model that a run trained, if it is kept. */
  async model(id: string): Promise<Uint8Array | null> {
    await this.last;
    try {
      return await readFile(this.modelOf(id));
    } catch (error) {
      this.log(`The model of the repair run ${id} cannot be read: ${String(error)}`);
      return null;
    }
  }

  /** The runs that are kept, newest first. */
  async all(): Promise<RunRecord[]> {
    await this.last;
    const records = await Promise.all((await this.files()).map((file) => this.read(file)));
    return records.filter((record) => record !== null).sort((a, b) => b.startedAt - a.startedAt);
  }

  async get(id: string): Promise<RunRecord | null> {
    await this.last;
    return this.read(this.fileOf(id));
  }

  private queued(work: () => Promise<void>): Promise<void> {
    this.last = this.last.then(work).catch((error: unknown) => this.log(`A repair run could not be kept: ${error instanceof Error ? error.message : String(error)}`));
    return this.last;
  }

  private async prune(): Promise<void> {
    // Their names begin with the time.
    const old = (await this.files()).sort().slice(0, -mostRuns);
    const models = old.map((file) => `${file.slice(0, -ending.length)}${modelEnding}`);
    await Promise.all([...old, ...models].map((file) => rm(file, { force: true })));
  }

  private async files(): Promise<string[]> {
    try {
      const names = await readdir(this.folder);
      return names.filter((name) => name.endsWith(ending)).map((name) => path.join(this.folder, name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') this.log(`Repair runs cannot be read: ${String(error)}`);
      return [];
    }
  }

  private async read(file: string): Promise<RunRecord | null> {
    try {
      const parsed = parseRecord(await readFile(file, 'utf8'));
      if ('record' in parsed) return interrupted(parsed.record);
      this.log(`${path.basename(file)} is no readable repair run and is passed over: ${parsed.problem}`);
    } catch (error) {
      this.log(`${path.basename(file)} cannot be read: ${String(error)}`);
    }
    return null;
  }

  private modelOf(id: string): string {
    return path.join(this.folder, `${id}${modelEnding}`);
  }

  private fileOf(id: string): string {
    return path.join(this.folder, `${id}${ending}`);
  }
}

/** A run whose process is gone was cut off. */
function interrupted(record: RunRecord): RunRecord {
  if (record.status !== 'running' || isAlive(record.pid)) return record;
  return { ...record, status: 'cancelled', message: 'The editor was closed while this repair ran.' };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

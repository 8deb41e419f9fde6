// Downloads a language model from the Hub into a folder that the user can see and delete.
import { mkdir, realpath, statfs } from 'node:fs/promises';
import path from 'node:path';
import type { HubSettings } from './hub/connection.ts';
import { HubConnection, hubSettings } from './hub/connection.ts';
import type { DownloadRecord } from './hub/downloadRecord.ts';
import { completeVariant, lockedFolder, readRecord, writeRecord } from './hub/downloadRecord.ts';
import type { ModelFiles } from './hub/modelFiles.ts';
import { modelFiles } from './hub/modelFiles.ts';
import type { DownloadProblem } from './hub/problem.ts';
import { DownloadFault } from './hub/problem.ts';
import type { RemoteFile, Repository } from './hub/repository.ts';
import { checkRepositoryName, contentUrl, listRepository } from './hub/repository.ts';
import { isIntact, transfer } from './hub/transfer.ts';
import type { CancellationToken } from '../shared/cancellation.ts';
import { CancelledError, throwIfCancelled } from '../shared/cancellation.ts';
import { sizeText } from '../shared/sizeText.ts';

/** One variant of a model at one commit, and its folder. */
interface DownloadedModel {
  readonly repo: string;
  readonly revision: string;
  readonly commit: string;
  readonly variant: string;
  /** The model's folder: below `options.folder` where the repository keeps each variant in a folder of its own. */
  readonly folder: string;
  readonly files: readonly { readonly path: string; readonly bytes: number }[];
  readonly bytes: number;
}

/** What is about to be downloaded. */
export interface DownloadPlan extends DownloadedModel {
  /** Of these, what is there already and has the right checksum. */
  readonly presentBytes: number;
  /** Parts that exist in another precision only. */
  readonly notes: readonly string[];
}

export interface DownloadProgress {
  readonly file: string;
  /** Files that are whole. */
  readonly filesDone: number;
  readonly files: number;
  readonly bytesDone: number;
  readonly bytes: number;
  /** Over the last seconds. */
  readonly bytesPerSecond: number;
}

export interface DownloadOptions extends Partial<Omit<HubSettings, 'log'>> {
  /** Where the model goes: becomes a model folder. */
  readonly folder: string;
  /** Branch, tag or commit; default `main`. */
  readonly revision?: string | undefined;
  /** Default: fp32 where there is one, else the smallest. */
  readonly variant?: string | undefined;
  readonly token: CancellationToken;
  /** HF_ENDPOINT and HF_TOKEN are read from it where the options do not give them; default `process.env`. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Called once, before the first byte of a file is asked for. */
  readonly onPlan?: (plan: DownloadPlan) => void;
  readonly onProgress?: (progress: DownloadProgress) => void;
  readonly log?: (line: string) => void;
}

export interface Download extends DownloadedModel {
  /** Bytes that came over the network; 0 where everything was there. */
  readonly received: number;
}

export type DownloadResult = { readonly ok: true; readonly download: Download } | { readonly ok: false; readonly problem: DownloadProblem };

/**
 * Downloads one variant of a model: its graph with its external data, or all parts of a vision-language model, and the
 * files beside it. Files are resumed, checked (sha256, git blob hash) and appear whole. A folder that is complete
 * already is found without a request.
 * @param repo owner/name
 * @throws CancelledError; what has arrived stays for the next call
 */
export async function downloadModel(repo: string, options: DownloadOptions): Promise<DownloadResult> {
  try {
    throwIfCancelled(options.token);
    return { ok: true, download: await download(repo, options) };
  } catch (error) {
    if (error instanceof CancelledError) throw error;
    return { ok: false, problem: problemOf(error, options.folder) };
  }
}

async function download(repo: string, options: DownloadOptions): Promise<Download> {
  checkRepositoryName(repo);
  const { environment = process.env, revision = 'main', variant } = options;
  const folder = path.resolve(options.folder);
  const there = await completeVariant(folder, repo, revision, variant);
  if (there) return result({ repo, revision, commit: there.commit }, { variant: there.name, root: there.root, files: there.files }, folder, 0);
  const connection = new HubConnection(hubSettings(environment, given(options)), options.token);
  const repository = await listRepository(connection, repo, revision);
  const chosen = modelFiles(repository, variant);
  await mkdir(folder, { recursive: true });
  return lockedFolder(folder, async () => {
    const received = await new FolderDownload(connection, repository, chosen, folder, options).run();
    return result(repository, chosen, folder, received);
  });
}

/** The settings among the options, without those that are undefined. */
function given({ endpoint, accessToken, fetch: request, idleTimeout, attempts, firstPause, log }: DownloadOptions): Partial<HubSettings> {
  const settings = { endpoint, accessToken, fetch: request, idleTimeout, attempts, firstPause, log };
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}

function result({ repo, revision, commit }: Pick<Repository, 'repo' | 'revision' | 'commit'>, { variant, root, files }: Pick<ModelFiles, 'variant' | 'root'> & { readonly files: Download['files'] }, folder: string, received: number): Download {
  const sizes = files.map(({ path: name, bytes }) => ({ path: name, bytes }));
  return { repo, revision, commit, variant, folder: path.join(folder, root), files: sizes, bytes: bytesOf(sizes), received };
}

const bytesOf = (files: readonly { readonly bytes: number }[]): number => files.reduce((sum, { bytes }) => sum + bytes, 0);

/** Over how long the rate is taken, milliseconds. */
const RATE_WINDOW = 4000;
/** At most this often is progress told, milliseconds. */
const PROGRESS_EVERY = 100;

/** The writing of one variant's files into a folder. */
class FolderDownload {
  private received = 0;
  private filesDone = 0;
  private doneBytes = 0;
  private toldAt = -Infinity;
  private readonly arrivals: { readonly at: number; readonly received: number }[] = [];

  constructor(
    private readonly connection: HubConnection,
    private readonly repository: Repository,
    private readonly chosen: ModelFiles,
    private readonly folder: string,
    private readonly options: DownloadOptions,
  ) {}

  /** @returns bytes received */
  async run(): Promise<number> {
    const record = await this.ownRecord();
    const missing = await this.missingFiles(record);
    this.tellPlan(missing);
    await this.checkSpace(bytesOf(missing));
    // The record comes first: it says which files are the download's own if it ends in the middle.
    await writeRecord(this.folder, this.recorded(record, false));
    for (const file of missing) await this.fetch(file);
    await writeRecord(this.folder, this.recorded(record, true));
    return this.received;
  }

  private async ownRecord(): Promise<DownloadRecord> {
    const { repo } = this.repository;
    const record = await readRecord(this.folder);
    if (record && record.repo !== repo) throw new DownloadFault('other-files', `${this.folder} holds the model ${record.repo}. Choose another folder for ${repo}, or delete that one.`);
    return record ?? { version: 1, repo, variants: {} };
  }

  private recorded(record: DownloadRecord, complete: boolean): DownloadRecord {
    const { variant, root } = this.chosen;
    const { revision, commit } = this.repository;
    const files = this.chosen.files.map(({ path: name, bytes }) => ({ path: name, bytes }));
    const isDefault = this.options.variant === undefined || record.variants[variant]?.isDefault === true;
    return { ...record, variants: { ...record.variants, [variant]: { revision, commit, isDefault, root, complete, files } } };
  }

  /** What is there and right is kept; what is there and is not a download's own is never overwritten. */
  private async missingFiles(record: DownloadRecord): Promise<readonly RemoteFile[]> {
    const own = new Set(Object.values(record.variants).flatMap(({ files }) => files.map((file) => file.path)));
    const missing: RemoteFile[] = [];
    for (const file of this.chosen.files) {
      throwIfCancelled(this.options.token);
      const target = await this.target(file);
      if (await isIntact(target, file)) {
        this.filesDone++;
        this.doneBytes += file.bytes;
      } else if (!own.has(file.path) && (await exists(target))) {
        throw new DownloadFault('other-files', `${target} is there already and is not this model's. Choose another folder for ${this.repository.repo}, or move the file away.`);
      } else missing.push(file);
    }
    return missing;
  }

  /** Where a file goes; its folder is made. No link on the way may lead out. @throws DownloadFault unsafe-path */
  private async target({ path: name }: RemoteFile): Promise<string> {
    const target = path.join(this.folder, ...name.split('/'));
    await mkdir(path.dirname(target), { recursive: true });
    const relative = path.relative(await realpath(this.folder), await realpath(path.dirname(target)));
    if (relative === '..' || relative.startsWith(`..${path.sep}`) || path.isAbsolute(relative)) {
      throw new DownloadFault('unsafe-path', `${path.dirname(target)} is a link out of ${this.folder}. Choose another folder, or delete the link.`);
    }
    return target;
  }

  private tellPlan(missing: readonly RemoteFile[]): void {
    const { repo, revision, commit } = this.repository;
    const { variant, notes, root, files } = this.chosen;
    const plan = result({ repo, revision, commit }, { variant, root, files }, this.folder, 0);
    this.options.onPlan?.({ ...plan, notes, presentBytes: plan.bytes - bytesOf(missing) });
  }

  private async checkSpace(needed: number): Promise<void> {
    const { bavail, bsize } = await statfs(this.folder);
    if (needed > bavail * bsize) {
      throw new DownloadFault('no-space', `${this.repository.repo} (${this.chosen.variant}) needs ${sizeText(needed)} more, and ${this.folder} has ${sizeText(bavail * bsize)} free. Make room, choose a smaller variant, or choose another folder.`);
    }
  }

  private async fetch(file: RemoteFile): Promise<void> {
    const { repo, revision } = this.repository;
    await transfer(this.connection, {
      url: contentUrl(this.connection.settings.endpoint, this.repository, file.path),
      file,
      target: await this.target(file),
      subject: { repo, revision, path: file.path },
      onBytes: (present, received) => this.tellProgress(file, present, received),
    });
    this.filesDone++;
    this.doneBytes += file.bytes;
    this.toldAt = -Infinity;
    this.tellProgress(file, 0, 0);
  }

  private tellProgress(file: RemoteFile, present: number, received: number): void {
    this.received += received;
    const now = performance.now();
    if (now - this.toldAt < PROGRESS_EVERY) return;
    this.toldAt = now;
    this.options.onProgress?.({
      file: file.path,
      filesDone: this.filesDone,
      files: this.chosen.files.length,
      bytesDone: this.doneBytes + present,
      bytes: bytesOf(this.chosen.files),
      bytesPerSecond: this.rate(now),
    });
  }

  private rate(now: number): number {
    this.arrivals.push({ at: now, received: this.received });
    while (this.arrivals.length > 2 && now - (this.arrivals[1]?.at ?? now) > RATE_WINDOW) this.arrivals.shift();
    const first = this.arrivals[0];
    return first && now > first.at ? ((this.received - first.received) / (now - first.at)) * 1000 : 0;
  }
}

const exists = async (target: string): Promise<boolean> => (await realpath(target).catch(() => null)) !== null;

/** Faults of the file system become problems; anything else is a bug and is thrown on. */
function problemOf(error: unknown, folder: string): DownloadProblem {
  if (error instanceof DownloadFault) return { code: error.code, message: error.message };
  if (!(error instanceof Error) || !('code' in error) || !('syscall' in error)) throw error;
  const code = String(error.code);
  if (code === 'ENOSPC' || code === 'EDQUOT') return { code: 'no-space', message: `No space is left for ${folder} (${code}). Make room and start the download again; what has arrived is kept.` };
  if (code === 'EFBIG') return { code: 'no-space', message: `A file of the model is larger than ${folder} may hold (EFBIG: a limit of the file system or of the process). Choose another folder or a smaller variant.` };
  return { code: 'cannot-write', message: `${folder} cannot be written: ${error.message}. Choose another folder, or mend its permissions.` };
}

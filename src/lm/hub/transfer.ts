// Brings one file of a repository to its place: resumed after any interruption, checked against its hash, visible only when it is whole.
import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import * as v from 'valibot';
import type { Answer, HubConnection, Subject } from './connection.ts';
import { DownloadFault, Interruption } from './problem.ts';
import type { Checksum, RemoteFile } from './repository.ts';

const noteShape = v.object({ checksum: v.string(), etag: v.nullable(v.string()) });

export interface Transfer {
  readonly url: string;
  readonly file: RemoteFile;
  /** Where the file goes; `TARGET.partial` and `TARGET.partial.json` stand beside it until it is whole. */
  readonly target: string;
  readonly subject: Subject;
  /** Bytes of the file that are there, and of those the ones that the last call has not counted. */
  readonly onBytes: (present: number, received: number) => void;
}

/** What a file's bytes must be hashed with: git prefixes a blob with its size. */
export function hasherOf({ bytes, checksum }: RemoteFile): Hash {
  return checksum.algorithm === 'sha256' ? createHash('sha256') : createHash('sha1').update(`blob ${bytes}\0`);
}

/** Hashes what a file holds, from where it stands. */
async function hashInto(hasher: Hash, handle: FileHandle): Promise<number> {
  const buffer = Buffer.allocUnsafe(2 ** 20);
  for (let position = 0; ; ) {
    const { bytesRead } = await handle.read(buffer, 0, buffer.byteLength, position);
    if (bytesRead === 0) return position;
    hasher.update(buffer.subarray(0, bytesRead));
    position += bytesRead;
  }
}

/** Whether a file has the size and the hash that the repository states. */
export async function isIntact(path: string, file: RemoteFile): Promise<boolean> {
  const handle = await open(path, 'r').catch(() => null);
  if (!handle) return false;
  try {
    const { size } = await handle.stat();
    if (size !== file.bytes) return false;
    const hasher = hasherOf(file);
    await hashInto(hasher, handle);
    return hasher.digest('hex') === file.checksum.hex;
  } finally {
    await handle.close();
  }
}

/**
 * Downloads a file. What an earlier attempt, or an earlier process, has left is continued if it is of the same content.
 * @throws DownloadFault, CancelledError; file system errors as Node gives them
 */
export async function transfer(connection: HubConnection, task: Transfer): Promise<void> {
  const partial = await Partial.open(task.target, task.file);
  try {
    let continued = partial.position > 0;
    task.onBytes(partial.position, 0);
    for (;;) {
      await receiveAll(connection, task, partial);
      if (partial.isRight()) break;
      await partial.discard();
      // What was put together from two downloads may be a mixture; one attempt in one piece decides.
      if (!continued) throw mismatch(task);
      connection.settings.log(`${task.file.path}: the checksum is wrong after resuming; beginning anew`);
      continued = false;
    }
    await partial.finish(task.target);
  } finally {
    await partial.close();
  }
}

function mismatch({ file, subject }: Transfer): DownloadFault {
  const { algorithm, hex } = file.checksum;
  return new DownloadFault('checksum', `${file.path} of ${subject.repo} has arrived with another content than the repository states (${algorithm} ${hex.slice(0, 12)}…); it has been deleted. Start the download again; if it happens again, what HF_ENDPOINT names or a proxy alters the file.`);
}

async function receiveAll(connection: HubConnection, task: Transfer, partial: Partial): Promise<void> {
  let furthest = partial.position;
  let failures = 0;
  while (partial.position < task.file.bytes) {
    try {
      await connection.exchange(task.url, partial.rangeHeaders(), task.subject, (answer) => receive(answer, task, partial));
      if (partial.position < task.file.bytes) throw new Interruption('the answer ended early', 'unreachable');
    } catch (error) {
      failures = partial.position > furthest ? 1 : failures + 1;
      furthest = Math.max(furthest, partial.position);
      await connection.pauseAfter(error, failures, task.file.path);
    }
  }
}

async function receive({ response, chunks }: Answer, task: Transfer, partial: Partial): Promise<void> {
  const { bytes } = task.file;
  const etag = response.headers.get('etag');
  if (response.status === 416 || !partial.continuesWith(response, etag, bytes)) {
    const isRange = response.status !== 200;
    await partial.discard();
    task.onBytes(0, 0);
    if (isRange) throw new Interruption('the file has changed at the server; beginning anew', 'server');
  }
  const stated = response.status === 200 ? response.headers.get('content-length') : null;
  if (stated !== null && Number(stated) !== bytes) throw new Interruption(`the server offers ${stated} bytes where the repository states ${bytes}`, 'server');
  await partial.note(etag);
  for await (const chunk of chunks()) {
    if (partial.position + chunk.byteLength > bytes) {
      await partial.discard();
      throw new DownloadFault('checksum', `${task.file.path} of ${task.subject.repo} is larger at the server than the repository states (${bytes} bytes); what has arrived has been deleted. Start the download again; if it happens again, what HF_ENDPOINT names or a proxy alters the file.`);
    }
    await partial.append(chunk);
    task.onBytes(partial.position, chunk.byteLength);
  }
}

/** The part of a file that is there. Its hash goes along with what is written. */
class Partial {
  private etag: string | null = null;

  private constructor(
    private readonly path: string,
    private readonly notePath: string,
    private readonly handle: FileHandle,
    private readonly file: RemoteFile,
    private hasher: Hash,
    public position: number,
  ) {}

  static async open(target: string, file: RemoteFile): Promise<Partial> {
    const [path, notePath] = [`${target}.partial`, `${target}.partial.json`];
    const note = await readNote(notePath);
    if (note?.checksum !== checksumText(file.checksum)) await rm(path, { force: true });
    // A link in the place of the part would lead out of the folder.
    const handle = await open(path, constants.O_RDWR | (constants.O_NOFOLLOW ?? 0)).catch((error: unknown) => {
      if (isMissing(error)) return open(path, 'wx+');
      throw error;
    });
    try {
      const hasher = hasherOf(file);
      const partial = new Partial(path, notePath, handle, file, hasher, await hashInto(hasher, handle));
      if (partial.position > file.bytes) await partial.discard();
      partial.etag = partial.position > 0 ? (note?.etag ?? null) : null;
      return partial;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Asks for what is missing, and only if the server still has the same content. */
  rangeHeaders(): Record<string, string> {
    if (this.position === 0) return {};
    // A weak tag does not promise equal bytes, and If-Range does not take it.
    const isStrong = this.etag !== null && !this.etag.startsWith('W/');
    return { Range: `bytes=${this.position}-`, ...(isStrong ? { 'If-Range': this.etag ?? '' } : {}) };
  }

  /** Whether an answer's body continues what is there. */
  continuesWith(response: Response, etag: string | null, bytes: number): boolean {
    if (response.status === 200) return this.position === 0;
    const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '');
    if (!range || Number(range[1]) !== this.position) return false;
    if (range[2] !== '*' && Number(range[2]) !== bytes) return false;
    return this.etag === null || etag === null || etag === this.etag;
  }

  /** Remembers which content the bytes belong to, before the first of them is written. */
  async note(etag: string | null): Promise<void> {
    if (this.position > 0 && etag === this.etag) return;
    this.etag = etag;
    await writeFile(this.notePath, JSON.stringify({ checksum: checksumText(this.file.checksum), etag }));
  }

  async append(chunk: Uint8Array): Promise<void> {
    for (let written = 0; written < chunk.byteLength; ) {
      const { bytesWritten } = await this.handle.write(chunk, written, chunk.byteLength - written, this.position);
      this.hasher.update(chunk.subarray(written, written + bytesWritten));
      written += bytesWritten;
      this.position += bytesWritten;
    }
  }

  async discard(): Promise<void> {
    await this.handle.truncate(0);
    await rm(this.notePath, { force: true });
    this.hasher = hasherOf(this.file);
    this.position = 0;
    this.etag = null;
  }

  isRight(): boolean {
    return this.hasher.copy().digest('hex') === this.file.checksum.hex;
  }

  /** The file appears at its place whole, even if the power goes now. */
  async finish(target: string): Promise<void> {
    await this.handle.sync();
    await this.handle.close();
    await rename(this.path, target);
    await rm(this.notePath, { force: true });
  }

  /** An empty part is no use to anyone. */
  async close(): Promise<void> {
    await this.handle.close();
    if (this.position === 0) await rm(this.path, { force: true });
  }
}

const checksumText = ({ algorithm, hex }: Checksum): string => `${algorithm}:${hex}`;

const isMissing = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ENOENT';

async function readNote(path: string): Promise<v.InferOutput<typeof noteShape> | null> {
  const text = await readFile(path, 'utf8').catch(() => '');
  try {
    const parsed = v.safeParse(noteShape, JSON.parse(text));
    return parsed.success ? parsed.output : null;
  } catch {
    return null;
  }
}

// The files of a repository on the Hub, at one commit.
import { listFiles } from '@huggingface/hub';
import * as v from 'valibot';
import type { HubConnection, Subject } from './connection.ts';
import { DownloadFault } from './problem.ts';
import { isRepositoryName } from './repositoryName.ts';

/** What a file's content must hash to: sha256 of files in LFS, git's blob hash (sha1) of small ones. */
export interface Checksum {
  readonly algorithm: 'sha256' | 'git-sha1';
  readonly hex: string;
}

export interface RemoteFile {
  /** Slashes between its parts; not yet known to be safe. */
  readonly path: string;
  readonly bytes: number;
  readonly checksum: Checksum;
}

export interface Repository {
  readonly repo: string;
  readonly revision: string;
  /** The commit that the revision named when it was listed: all files come from it. */
  readonly commit: string;
  readonly files: readonly RemoteFile[];
}

const MAX_FILES = 50_000;
const MAX_PAGE_BYTES = 64 * 2 ** 20;

const hash = (digits: number) => v.pipe(v.string(), v.regex(new RegExp(`^[0-9a-f]{${digits}}$`)));
const byteCount = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const fileEntry = v.object({ path: v.string(), size: byteCount, oid: hash(40), lfs: v.optional(v.object({ oid: hash(64), size: byteCount })) });

/** @throws DownloadFault for a name that no repository can have */
export function checkRepositoryName(repo: string): void {
  if (isRepositoryName(repo)) return;
  throw new DownloadFault('bad-repository', `“${repo}” is not the name of a repository. Give owner/name as its page on the Hub shows it, for example onnx-community/SmolLM2-135M-ONNX.`);
}

/**
 * Lists a repository at a revision (branch, tag or commit).
 * Listing is `@huggingface/hub`'s, over a connection of our own: the package takes a token only if it begins with `hf_`
 * and sends it wherever the next page leads; neither its file nor its cache download resumes, and neither checks hashes.
 * @throws DownloadFault, CancelledError
 */
export async function listRepository(connection: HubConnection, repo: string, revision: string): Promise<Repository> {
  checkRepositoryName(repo);
  const subject: Subject = { repo, revision };
  const request = (url: string): Promise<Response> => connection.persistently(`the list of files of ${repo}`, () => page(connection, url, subject));
  const commit = await commitOf(request, connection.settings.endpoint, subject);
  const entries = listFiles({ repo: { type: 'model', name: repo }, revision: commit, recursive: true, hubUrl: connection.settings.endpoint, fetch: (url) => request(String(url)) });
  return { repo, revision, commit, files: await collected(entries, repo) };
}

async function collected(entries: AsyncIterable<{ readonly type: string }>, repo: string): Promise<readonly RemoteFile[]> {
  const files: RemoteFile[] = [];
  for await (const entry of entries) {
    if (entry.type === 'file') files.push(remoteFile(entry, repo));
    if (files.length > MAX_FILES) throw new DownloadFault('server', `${repo} lists more than ${MAX_FILES} files, too many for a model.`);
  }
  return files;
}

async function commitOf(request: (url: string) => Promise<Response>, endpoint: string, { repo, revision }: Subject): Promise<string> {
  const response = await request(`${endpoint}/api/models/${repo}/revision/${encodeURIComponent(revision)}`);
  const parsed = v.safeParse(v.object({ sha: hash(40) }), await response.json());
  if (!parsed.success) throw new DownloadFault('server', `The server did not say which commit ${repo} has at ${revision}. Check that HF_ENDPOINT is a Hub.`);
  return parsed.output.sha;
}

/** Reads a page of JSON completely, so that a connection lost within it counts as one attempt. */
function page(connection: HubConnection, url: string, subject: Subject): Promise<Response> {
  return connection.exchange(url, { Accept: 'application/json' }, subject, async ({ response, chunks }) => {
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for await (const part of chunks()) {
      bytes += part.byteLength;
      if (bytes > MAX_PAGE_BYTES) throw new DownloadFault('server', `The list of files of ${subject.repo} does not end.`);
      parts.push(part);
    }
    const text = Buffer.concat(parts).toString('utf8');
    if (!isDocument(text)) throw new DownloadFault('server', `The server answered the request for the files of ${subject.repo} with something else than JSON. Check that HF_ENDPOINT is a Hub.`);
    return new Response(text, { status: response.status, headers: response.headers });
  });
}

/** A commit is an object, a page of files a list of objects. */
function isDocument(text: string): boolean {
  try {
    const document: unknown = JSON.parse(text);
    const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null;
    return isObject(document) && (!Array.isArray(document) || document.every(isObject));
  } catch {
    return false;
  }
}

function remoteFile(entry: unknown, repo: string): RemoteFile {
  const parsed = v.safeParse(fileEntry, entry);
  if (!parsed.success) throw new DownloadFault('server', `The list of files of ${repo} has an entry without size or checksum. Check that HF_ENDPOINT is a Hub.`);
  const { path, size, oid, lfs } = parsed.output;
  return lfs ? { path, bytes: lfs.size, checksum: { algorithm: 'sha256', hex: lfs.oid } } : { path, bytes: size, checksum: { algorithm: 'git-sha1', hex: oid } };
}

/** The address of a file's content. */
export function contentUrl(endpoint: string, { repo, commit }: Repository, path: string): string {
  return `${endpoint}/${repo}/resolve/${commit}/${path.split('/').map(encodeURIComponent).join('/')}`;
}

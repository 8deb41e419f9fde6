// A Hub on this machine: lists repositories page by page, redirects content to a server of another origin, and misbehaves on demand.
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What happens to one request for a file's content. */
export type Fault =
  /** The connection is cut after that many bytes of the body. */
  | { readonly kind: 'drop'; readonly after: number }
  /** The body ends early, and nothing says so. */
  | { readonly kind: 'truncate'; readonly after: number }
  /** As long as it should be, with one bit another. */
  | { readonly kind: 'corrupt' }
  /** Content-Length is wrong by so many bytes; the body is right. */
  | { readonly kind: 'wrong-length'; readonly by: number }
  /** Goes on after its end. */
  | { readonly kind: 'longer' }
  /** Answers 200 with everything to a request for a range. */
  | { readonly kind: 'whole' }
  /** Sends the range of what it has now, though If-Range names something else. */
  | { readonly kind: 'ignore-if-range' }
  | { readonly kind: 'status'; readonly status: number; readonly retryAfter?: string; readonly errorCode?: string }
  /** Says nothing more after that many bytes; -1: not even the status. */
  | { readonly kind: 'hang'; readonly after: number }
  /** Sends its bytes in blocks with pauses. */
  | { readonly kind: 'slow'; readonly block: number; readonly pause: number }
  | { readonly kind: 'redirect'; readonly to: string };

export interface SeenRequest {
  readonly server: 'hub' | 'cdn';
  readonly url: string;
  readonly range: string | undefined;
  readonly ifRange: string | undefined;
  readonly authorization: string | undefined;
}

interface StoredFile {
  readonly content: Buffer;
  readonly inLfs: boolean;
}

interface Repository {
  readonly files: Map<string, StoredFile>;
  /** Answers 401 or 403 without this token. */
  readonly gate: { readonly token: string; readonly errorCode: string } | undefined;
}

const hash = (algorithm: string, ...parts: (string | Buffer)[]): string => parts.reduce((sum, part) => sum.update(part), createHash(algorithm)).digest('hex');
const sha256 = (content: Buffer): string => hash('sha256', content);
const blobHash = (content: Buffer): string => hash('sha1', `blob ${content.byteLength}\0`, content);

export class HubServer {
  readonly requests: SeenRequest[] = [];
  private readonly repositories = new Map<string, Repository>();
  private readonly faults = new Map<string, Fault[]>();
  private readonly claims = new Map<string, string>();
  private listingFaults: Fault[] = [];

  private constructor(
    private readonly hub: Server,
    private readonly cdn: Server,
    /** Entries of one page of a listing. */
    private readonly pageSize: number,
  ) {}

  static async start({ pageSize = 4 } = {}): Promise<HubServer> {
    const [hub, cdn] = [createServer(), createServer()];
    const server = new HubServer(hub, cdn, pageSize);
    hub.on('request', (request, response) => server.onHub(request, response));
    cdn.on('request', (request, response) => server.onCdn(request, response));
    await Promise.all([hub, cdn].map((one) => new Promise<void>((resolve) => one.listen(0, '127.0.0.1', resolve))));
    return server;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.hub.address() as AddressInfo).port}`;
  }

  private get cdnOrigin(): string {
    return `http://127.0.0.1:${(this.cdn.address() as AddressInfo).port}`;
  }

  /** Adds or replaces a repository. Files of more than 200 bytes are in LFS. */
  put(repo: string, files: Readonly<Record<string, string | Buffer>>, gate?: Repository['gate']): void {
    const stored = Object.entries(files).map(([path, content]) => [path, { content: Buffer.from(content), inLfs: content.length > 200 }] as const);
    this.repositories.set(repo, { files: new Map(stored), gate });
  }

  /** Changes a file's content; the list says so. */
  change(repo: string, path: string, content: Buffer): void {
    this.repositories.get(repo)?.files.set(path, { content, inLfs: content.length > 200 });
  }

  /** The list states this hash for a file, whatever its content. */
  claim(path: string, hex: string): void {
    this.claims.set(path, hex);
  }

  /** What happens to the next requests for a file's content, one after the other; then all is well. */
  misbehave(path: string, ...faults: readonly Fault[]): void {
    this.faults.set(path, [...faults]);
  }

  misbehaveListing(...faults: readonly Fault[]): void {
    this.listingFaults = [...faults];
  }

  /** Ranges asked of the content server for a file, in order; null: the whole. */
  rangesOf(path: string): (string | null)[] {
    return this.requests.filter(({ server, url }) => server === 'cdn' && decodeURIComponent(url).includes(`/${path}?`)).map(({ range }) => range ?? null);
  }

  /** An address of this machine where nothing answers. */
  static async deadEndpoint(): Promise<string> {
    const server = await HubServer.start();
    const { endpoint } = server;
    server.close();
    return endpoint;
  }

  close(): void {
    for (const server of [this.hub, this.cdn]) {
      server.close();
      server.closeAllConnections();
    }
  }

  private saw(server: 'hub' | 'cdn', { url = '', headers }: IncomingMessage): void {
    this.requests.push({ server, url, range: headers.range, ifRange: headers['if-range'] as string | undefined, authorization: headers.authorization });
  }

  private onHub(request: IncomingMessage, response: ServerResponse): void {
    this.saw('hub', request);
    const url = new URL(request.url ?? '', this.endpoint);
    const api = /^\/api\/models\/(.+?)\/(revision|tree)\/([^/]+)$/.exec(url.pathname);
    const content = /^\/(.+?)\/resolve\/([^/]+)\/(.+)$/.exec(url.pathname);
    const repo = this.repositories.get(decodeURIComponent(api?.[1] ?? content?.[1] ?? ''));
    if (!repo) return refuse(response, 404, 'RepoNotFound');
    const { gate } = repo;
    if (gate && request.headers.authorization !== `Bearer ${gate.token}`) return refuse(response, request.headers.authorization ? 403 : 401, gate.errorCode);
    if (api) return this.onApi(api[2] ?? '', decodeURIComponent(api[3] ?? ''), repo, url, response);
    this.onResolve(content?.[1] ?? '', decodeURIComponent(content?.[3] ?? ''), repo, response);
  }

  private onApi(what: string, revision: string, repo: Repository, url: URL, response: ServerResponse): void {
    const fault = this.listingFaults.shift();
    if (fault?.kind === 'status') return refuse(response, fault.status, fault.errorCode, fault.retryAfter);
    if (fault?.kind === 'hang') return;
    const commit = commitOf(repo);
    if (!['main', 'refs/pr/1', commit].includes(revision)) return refuse(response, 404, 'RevisionNotFound');
    if (what === 'revision') return json(response, { id: url.pathname.split('/')[3], sha: commit });
    const entries = [...repo.files].map(([path, { content, inLfs }]) => this.entry(path, content, inLfs));
    const start = Number(url.searchParams.get('cursor') ?? 0);
    const next = start + this.pageSize;
    url.searchParams.set('cursor', String(next));
    if (fault?.kind === 'drop') return void response.writeHead(200, { 'content-length': 1000 }).write('[', () => response.destroy());
    json(response, entries.slice(start, next), next < entries.length ? { link: `<${url.href}>; rel="next"` } : {});
  }

  private entry(path: string, content: Buffer, inLfs: boolean): unknown {
    const claimed = this.claims.get(path);
    const [size, oid] = [content.byteLength, blobHash(content)];
    return inLfs ? { type: 'file', path, size, oid, lfs: { oid: claimed ?? sha256(content), size, pointerSize: 134 } } : { type: 'file', path, size, oid: claimed ?? oid };
  }

  /** Files in LFS lie at the content server, small ones are answered by a redirect within the Hub and then by the Hub. */
  private onResolve(name: string, path: string, repo: Repository, response: ServerResponse): void {
    const file = repo.files.get(path);
    if (!file) return refuse(response, 404, 'EntryNotFound');
    const fault = this.faults.get(path)?.[0];
    if (fault?.kind === 'redirect') return void response.writeHead(302, { location: fault.to }).end();
    const location = `${this.cdnOrigin}/${name}/${path.split('/').map(encodeURIComponent).join('/')}?signature=1`;
    response.writeHead(302, { location, 'x-repo-commit': commitOf(repo), 'x-linked-etag': `"${file.inLfs ? sha256(file.content) : blobHash(file.content)}"`, 'x-linked-size': file.content.byteLength }).end();
  }

  private onCdn(request: IncomingMessage, response: ServerResponse): void {
    this.saw('cdn', request);
    const [, owner = '', name = '', ...parts] = decodeURIComponent(new URL(request.url ?? '', this.cdnOrigin).pathname).split('/');
    const path = parts.join('/');
    const file = this.repositories.get(`${owner}/${name}`)?.files.get(path);
    if (!file) return refuse(response, 404);
    void answer(request, response, file.content, this.faults.get(path)?.shift());
  }
}

const commitOf = (repo: Repository): string => hash('sha1', ...[...repo.files].flatMap(([path, { content }]) => [path, content]));

function refuse(response: ServerResponse, status: number, errorCode = '', retryAfter?: string): void {
  response.writeHead(status, { ...(errorCode ? { 'x-error-code': errorCode } : {}), ...(retryAfter ? { 'retry-after': retryAfter } : {}) }).end();
}

function json(response: ServerResponse, value: unknown, headers: Readonly<Record<string, string>> = {}): void {
  response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
}

async function answer(request: IncomingMessage, response: ServerResponse, content: Buffer, fault: Fault | undefined): Promise<void> {
  if (fault?.kind === 'status') return refuse(response, fault.status, fault.errorCode, fault.retryAfter);
  if (fault?.kind === 'hang' && fault.after < 0) return;
  const etag = `"${sha256(content).slice(0, 32)}"`;
  const ifRange = request.headers['if-range'];
  const isSame = ifRange === undefined || ifRange === etag || fault?.kind === 'ignore-if-range';
  const start = fault?.kind !== 'whole' && isSame ? Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0) : 0;
  if (start > 0 && start >= content.byteLength) return void response.writeHead(416, { 'content-range': `bytes */${content.byteLength}` }).end();
  const body = bodyOf(content.subarray(start), fault);
  const length = fault?.kind === 'truncate' || fault?.kind === 'longer' ? undefined : content.byteLength - start + (fault?.kind === 'wrong-length' ? fault.by : 0);
  response.writeHead(start > 0 ? 206 : 200, {
    etag,
    ...(length === undefined ? {} : { 'content-length': length }),
    ...(start > 0 ? { 'content-range': `bytes ${start}-${content.byteLength - 1}/${content.byteLength}` } : {}),
  });
  await send(response, body, fault);
}

function bodyOf(rest: Buffer, fault: Fault | undefined): Buffer {
  if (fault?.kind === 'truncate' || fault?.kind === 'drop' || fault?.kind === 'hang') return rest.subarray(0, fault.after);
  if (fault?.kind === 'longer') return Buffer.concat([rest, Buffer.alloc(1000, 'x')]);
  if (fault?.kind === 'wrong-length') return fault.by < 0 ? rest.subarray(0, fault.by) : rest;
  if (fault?.kind !== 'corrupt') return rest;
  const other = Buffer.from(rest);
  other.writeUInt8(other.readUInt8(other.byteLength >> 1) ^ 4, other.byteLength >> 1);
  return other;
}

async function send(response: ServerResponse, body: Buffer, fault: Fault | undefined): Promise<void> {
  if (fault?.kind === 'slow') {
    for (let at = 0; at < body.byteLength && !response.destroyed; at += fault.block) {
      response.write(body.subarray(at, at + fault.block));
      await new Promise((resolve) => setTimeout(resolve, fault.pause));
    }
  }
  // What the reader has not taken when the connection breaks is lost to it, as on a real network.
  if (fault?.kind === 'drop' || (fault?.kind === 'wrong-length' && fault.by > 0)) return void response.write(body, () => setTimeout(() => response.destroy(), 100));
  if (fault?.kind === 'hang') return void response.write(body);
  response.end(fault?.kind === 'slow' ? undefined : body);
}

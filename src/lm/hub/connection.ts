// One client of the Hub: redirects, the access token, silence, cancelling, and what each refusal means.
import { DownloadFault, Interruption } from './problem.ts';
import type { CancellationToken } from '../../shared/cancellation.ts';
import { CancelledError, throwIfCancelled } from '../../shared/cancellation.ts';

export interface HubSettings {
  /** Where the Hub, or a mirror of it, answers: scheme and host, and a path where there is one. */
  readonly endpoint: string;
  /** Sent to the endpoint's own origin alone, never logged. */
  readonly accessToken: string | null;
  readonly fetch: typeof fetch;
  /** Silence after which a connection counts as lost, milliseconds. */
  readonly idleTimeout: number;
  /** Attempts without a byte of progress before the download is given up. */
  readonly attempts: number;
  /** Pause before the second attempt, milliseconds; it doubles each time. */
  readonly firstPause: number;
  readonly log: (line: string) => void;
}

export const defaultEndpoint = 'https://huggingface.co';

/** The settings that the environment gives: HF_ENDPOINT and HF_TOKEN. @throws DownloadFault where HF_ENDPOINT is no address */
export function hubSettings(environment: Readonly<Record<string, string | undefined>>, given: Partial<HubSettings> = {}): HubSettings {
  const endpoint = (given.endpoint ?? (environment['HF_ENDPOINT']?.trim() || defaultEndpoint)).replace(/\/+$/, '');
  if (!URL.canParse(endpoint) || !/^https?:$/.test(new URL(endpoint).protocol)) {
    throw new DownloadFault('bad-repository', `“${endpoint}” is not the address of a Hub. Set HF_ENDPOINT to one, for example ${defaultEndpoint}, or unset it.`);
  }
  const accessToken = given.accessToken ?? (environment['HF_TOKEN']?.trim() || null);
  return { fetch, idleTimeout: 30_000, attempts: 5, firstPause: 500, log: () => undefined, ...given, endpoint, accessToken };
}

const MAX_REDIRECTS = 10;
const MAX_PAUSE = 30_000;
/** A server that asks for a longer pause is told to the user instead. */
const LONGEST_WISH = 5 * 60_000;

/** What is asked about, for the messages. */
export interface Subject {
  readonly repo: string;
  readonly revision: string;
  readonly path?: string;
}

export interface Answer {
  readonly response: Response;
  /** The body, piece by piece. @throws Interruption, CancelledError */
  readonly chunks: () => AsyncGenerator<Uint8Array>;
}

export class HubConnection {
  constructor(
    readonly settings: HubSettings,
    readonly cancellation: CancellationToken,
  ) {}

  /**
   * Sends one GET, follows redirects, and lets `use` read the answer (200, 206 or 416). The connection ends with `use`.
   * @throws Interruption where another attempt may help; DownloadFault where none can; CancelledError
   */
  async exchange<T>(url: string, headers: Readonly<Record<string, string>>, subject: Subject, use: (answer: Answer) => Promise<T>): Promise<T> {
    throwIfCancelled(this.cancellation);
    const abort = new AbortController();
    const { idleTimeout } = this.settings;
    const watchdog = setTimeout(() => abort.abort(new Interruption(`the server was silent for ${idleTimeout / 1000} s`, 'unreachable')), idleTimeout);
    const watch = this.cancellation.onCancellationRequested(() => abort.abort(new CancelledError()));
    try {
      const response = await this.follow(url, headers, abort.signal).catch((error: unknown) => { throw translated(error, url, abort.signal); });
      await this.refuseBadStatus(response, subject);
      return await use({ response, chunks: () => chunksOf(response, url, abort.signal, () => watchdog.refresh()) });
    } finally {
      clearTimeout(watchdog);
      watch.dispose();
      // Whatever is left of the body is not wanted.
      abort.abort();
    }
  }

  /** Does `work` again, after a pause, while it is interrupted. @throws DownloadFault when no attempt is left; CancelledError */
  async persistently<T>(what: string, work: () => Promise<T>): Promise<T> {
    for (let failures = 1; ; failures++) {
      try {
        return await work();
      } catch (error) {
        await this.pauseAfter(error, failures, what);
      }
    }
  }

  /** Waits before the next attempt. @throws what `error` is where no other attempt is to be made */
  async pauseAfter(error: unknown, failures: number, what: string): Promise<void> {
    if (!(error instanceof Interruption)) throw error;
    const { attempts, firstPause, log } = this.settings;
    const wish = error.retryAfter ?? 0;
    if (failures >= attempts || wish > LONGEST_WISH) {
      throw new DownloadFault(error.code, `${what} could not be fetched: ${error.message}${wish > LONGEST_WISH ? ` and asks to come back in ${Math.ceil(wish / 60_000)} minutes` : ` (${failures} attempts)`}. ${this.advice(error)}`);
    }
    const pause = Math.max(wish, Math.min(MAX_PAUSE, firstPause * 2 ** (failures - 1)));
    log(`${what}: ${error.message}; trying again in ${(pause / 1000).toFixed(1)} s`);
    await paused(pause, this.cancellation);
  }

  private advice({ code }: Interruption): string {
    if (code === 'server') return 'Try again later; what has arrived is kept.';
    return `Check the connection to ${new URL(this.settings.endpoint).host} (HF_ENDPOINT names another) and start the download again; what has arrived is kept.`;
  }

  private async follow(url: string, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Response> {
    let at = new URL(url);
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
      const response = await this.settings.fetch(at, { headers: this.headersFor(at, headers), redirect: 'manual', signal });
      const location = response.status >= 300 && response.status < 400 ? response.headers.get('location') : null;
      if (location === null) return response;
      await response.body?.cancel();
      at = redirected(at, location);
    }
    throw new DownloadFault('server', `${new URL(url).host} redirects in circles. Check HF_ENDPOINT.`);
  }

  /** Redirects lead to content servers with addresses that are signed; they have no business with the token. */
  private headersFor(at: URL, headers: Readonly<Record<string, string>>): Record<string, string> {
    const { endpoint, accessToken } = this.settings;
    const own = at.origin === new URL(endpoint).origin;
    // Compressed answers have no byte ranges of the file.
    return { 'Accept-Encoding': 'identity', ...headers, ...(own && accessToken !== null ? { Authorization: `Bearer ${accessToken}` } : {}) };
  }

  private async refuseBadStatus(response: Response, subject: Subject): Promise<void> {
    const { status } = response;
    if (status === 200 || status === 206 || status === 416) return;
    const reason = response.headers.get('x-error-code') ?? '';
    await response.body?.cancel().catch(() => undefined);
    if (status === 429) throw new Interruption('the server has had too many requests (429)', 'server', retryAfter(response));
    if (status >= 500 || status === 408) throw new Interruption(`the server failed (${status})`, 'server', retryAfter(response));
    if (status === 401 || status === 403) throw this.noAccess(status, reason, subject);
    if (status === 404) throw this.notFound(reason, subject);
    throw new DownloadFault('server', `The server answered ${status} to the request for ${subject.path ?? subject.repo}. Check HF_ENDPOINT and the name of the repository.`);
  }

  private noAccess(status: number, reason: string, { repo }: Subject): DownloadFault {
    const { endpoint, accessToken } = this.settings;
    const token = accessToken === null ? `make a token at ${endpoint}/settings/tokens and set HF_TOKEN to it` : 'see that HF_TOKEN is a token of that account which may read it, and has not expired';
    const page = `open ${endpoint}/${repo}, accept its conditions where it asks for that, ${token}`;
    if (reason === 'GatedRepo') return new DownloadFault('no-access', `${repo} is gated: ${page}. Then start the download again.`);
    if (accessToken === null) return new DownloadFault('no-access', `${repo} does not exist, or is private or gated (${status}). Check the name; if it is right, ${page}.`);
    return new DownloadFault('no-access', `The token in HF_TOKEN gives no access to ${repo} (${status}). Check the name; if it is right, ${page}.`);
  }

  private notFound(reason: string, { repo, revision, path }: Subject): DownloadFault {
    const { endpoint } = this.settings;
    if (path !== undefined && reason !== 'RepoNotFound') return new DownloadFault('not-found', `${repo} no longer holds ${path} at ${revision}. Start the download again to list its files anew.`);
    if (reason === 'RevisionNotFound') return new DownloadFault('not-found', `${repo} has no branch, tag or commit “${revision}”. Its revisions: ${endpoint}/${repo}/tree/main.`);
    return new DownloadFault('not-found', `There is no model ${repo} with a revision “${revision}” at ${endpoint}. Give owner/name as its page shows it.`);
  }
}

function redirected(from: URL, location: string): URL {
  const to = URL.canParse(location, from) ? new URL(location, from) : null;
  const safe = to !== null && (to.protocol === 'https:' || (to.protocol === 'http:' && from.protocol === 'http:'));
  if (!safe) throw new DownloadFault('server', `${from.host} redirects to an address that is not safe to follow. Check HF_ENDPOINT.`);
  return to;
}

async function* chunksOf(response: Response, url: string, signal: AbortSignal, alive: () => void): AsyncGenerator<Uint8Array> {
  alive();
  const reader = response.body?.getReader();
  while (reader) {
    const { done, value } = await reader.read().catch((error: unknown) => { throw translated(error, url, signal); });
    if (done) return;
    alive();
    yield value;
  }
}

/** Node's fetch wraps the reason of a failure into the cause of a TypeError. */
function translated(error: unknown, url: string, signal: AbortSignal): unknown {
  if (error instanceof DownloadFault) return error;
  if (signal.reason instanceof Interruption || signal.reason instanceof CancelledError) return signal.reason;
  const { host } = new URL(url);
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  if (/CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ERR_TLS/.test(code)) {
    return new DownloadFault('unreachable', `The certificate of ${host} is not trusted (${code}). Behind a proxy that opens connections, give its certificate with NODE_EXTRA_CA_CERTS.`);
  }
  if (/ENOTFOUND|EAI_AGAIN|ENETUNREACH|ECONNREFUSED|EHOSTUNREACH/.test(code)) return new Interruption(`${host} cannot be reached (${code})`, 'unreachable');
  return new Interruption(`the connection to ${host} was lost${code === '' ? '' : ` (${code})`}`, 'unreachable');
}

/** Retry-After holds seconds or a date. */
function retryAfter(response: Response): number | null {
  const written = response.headers.get('retry-after');
  if (written === null) return null;
  const millis = /^\d+$/.test(written) ? Number(written) * 1000 : Date.parse(written) - Date.now();
  return Number.isFinite(millis) && millis > 0 ? millis : null;
}

function paused(millis: number, cancellation: CancellationToken): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      watch.dispose();
      resolve();
    }, millis);
    const watch = cancellation.onCancellationRequested(() => {
      clearTimeout(timer);
      reject(new CancelledError());
    });
  });
}

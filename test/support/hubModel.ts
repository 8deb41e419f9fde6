// A model on a Hub of this machine, and a folder for each test to download it into.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach, before, beforeEach } from 'mocha';
import type { Download, DownloadOptions, DownloadResult } from '../../src/lm/download.ts';
import { downloadModel } from '../../src/lm/download.ts';
import { neverCancelled } from '../../src/shared/cancellation.ts';
import { Random } from '../../src/shared/random.ts';
import { HubServer } from './hubServer.ts';

export const repo = 'someone/tiny-model';
export const graph = 'onnx/model.onnx';
export const MIB = 2 ** 20;

/** Bytes that look like weights; always the same for a seed. */
export function noise(bytes: number, seed: number): Buffer {
  const random = new Random(seed);
  return Buffer.from(Uint32Array.from({ length: Math.ceil(bytes / 4) }, () => random.next() * 2 ** 32).buffer, 0, bytes);
}

export const weights = noise(MIB, 1);

/** What a test begins with. */
export interface HubTest {
  readonly server: HubServer;
  /** It is not there yet. */
  readonly folder: string;
}

export interface HubModel {
  readonly download: (options?: Partial<DownloadOptions>, of?: string) => Promise<DownloadResult>;
  /** Asserts that the download succeeds. */
  readonly arrives: (options?: Partial<DownloadOptions>) => Promise<Download>;
}

/** Registers what the tests of a suite need: a server with these files, that behaves, and an empty place. */
export function hubModel(files: Readonly<Record<string, string | Buffer>>, begin: (test: HubTest) => void): HubModel {
  let server: HubServer;
  let folder = '';
  before(async () => void (server = await HubServer.start()));
  after(() => server.close());
  beforeEach(() => {
    folder = path.join(mkdtempSync(path.join(tmpdir(), 'gradlens-hub-')), 'model');
    server.put(repo, files);
    server.requests.length = 0;
    begin({ server, folder });
  });
  afterEach(() => {
    server.misbehave(graph);
    server.misbehaveListing();
    rmSync(path.dirname(folder), { recursive: true, force: true });
  });
  const download: HubModel['download'] = (options = {}, of = repo) =>
    downloadModel(of, { folder, endpoint: server.endpoint, environment: {}, token: neverCancelled, firstPause: 1, idleTimeout: 5000, ...options });
  const arrives: HubModel['arrives'] = async (options = {}) => {
    const result = await download(options);
    return result.ok ? result.download : assert.fail(result.problem.message);
  };
  return { download, arrives };
}

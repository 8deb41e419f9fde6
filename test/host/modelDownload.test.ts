// Downloads of models in the editor, from a Hub on this machine that misbehaves.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import * as vscode from 'vscode';
import { commands, settings } from '../../src/shared/contributions.ts';
import { HubServer } from '../support/hubServer.ts';
import { modelFolder, withEnvironment } from './models.ts';
import { gradlens, openText, watchEventLoop, within } from './support.ts';

const repo = 'someone/small-model';
const graph = 'onnx/model.onnx';

/** The files of the model that is there, else some that look like one. */
function filesOfModel(): Record<string, Buffer> {
  const folder = modelFolder();
  if (folder === null) return { 'config.json': Buffer.from('{"model_type": "llama"}'), 'tokenizer.json': Buffer.from('{}'), [graph]: Buffer.alloc(2_000_000, 'weights') };
  const names = (readdirSync(folder, { recursive: true }) as string[]).filter((name) => statSync(path.join(folder, name)).isFile());
  const wanted = names.filter((name) => /\.json$/u.test(name) || name === path.join('onnx', 'model.onnx'));
  return Object.fromEntries(wanted.map((name) => [name.split(path.sep).join('/'), readFileSync(path.join(folder, name))]));
}

describe('downloads of language models', () => {
  let server: HubServer;
  let folder = '';
  let restore = (): void => undefined;
  const slow = { kind: 'slow', block: 20_000, pause: 40 } as const;

  before(async () => {
    server = await HubServer.start();
    folder = mkdtempSync(path.join(tmpdir(), 'gradlens-downloads-'));
    restore = withEnvironment({ GRADLENS_MODELS: folder, HF_ENDPOINT: server.endpoint });
    server.put(repo, filesOfModel());
  });
  beforeEach(() => {
    rmSync(path.join(folder, 'someone'), { recursive: true, force: true });
    server.requests.length = 0;
  });
  after(() => {
    server.close();
    restore();
    rmSync(folder, { recursive: true, force: true });
  });

  const arrived = (): boolean => readFileSync(path.join(folder, repo, graph)).equals(filesOfModel()[graph] ?? Buffer.alloc(0));
  const starts = (): number[] => server.rangesOf(graph).map((range) => (range === null ? 0 : Number(/\d+/u.exec(range)?.[0])));

  it('bring a model through a network that drops, truncates and lies; it is listed and can be used', async () => {
    const { downloads, models, completions, modelPage } = await gradlens();
    server.misbehave(graph, { kind: 'drop', after: 300_000 }, { kind: 'truncate', after: 300_000 }, { kind: 'corrupt' });
    const altered = await downloads.download(repo, 'fp32');
    assert.ok(altered.status === 'failed' && /another content than the repository states/u.test(altered.problem.message), JSON.stringify(altered));
    const watch = watchEventLoop();
    const outcome = await downloads.download(repo, 'fp32');
    const worst = watch.stop();
    assert.ok(outcome.status === 'complete', JSON.stringify(outcome));
    assert.ok(arrived());
    assert.ok(worst < 50, `the event loop was blocked for ${worst.toFixed(1)} ms`);
    const at = { path: outcome.download.folder, variant: null };
    const listed = (await models.list()).find((model) => model.path === at.path);
    assert.equal(listed?.origin, 'downloaded');
    if (modelFolder() === null) return;
    await vscode.workspace.getConfiguration(settings.section).update(settings.maxTokens, 5, vscode.ConfigurationTarget.Global);
    await vscode.commands.executeCommand(commands.selectModel, at);
    const editor = await openText('Once', 'plaintext');
    editor.selection = new vscode.Selection(0, 4, 0, 4);
    assert.equal((await completions.complete())?.status, 'done');
    await vscode.workspace.getConfiguration(settings.section).update(settings.maxTokens, undefined, vscode.ConfigurationTarget.Global);
    await vscode.commands.executeCommand(commands.showModel, at);
    assert.ok(modelPage.state.status === 'shown' && modelPage.state.origin === 'downloaded' && modelPage.state.inUse, JSON.stringify(modelPage.state).slice(0, 300));
  });

  it('keep what has arrived when they are cancelled, and go on from there', async () => {
    const { downloads } = await gradlens();
    server.misbehave(graph, slow);
    const running = downloads.download(repo, null);
    await within(20_000, 'some of the graph', () => (downloads.last?.file === graph && downloads.last.bytesDone > 100_000) || undefined);
    downloads.stop();
    const outcome = await running;
    assert.ok(outcome.status === 'stopped' && outcome.kept > 0, JSON.stringify(outcome));
    assert.ok(!existsSync(path.join(folder, repo, graph)));
    assert.equal((await downloads.download(repo, null)).status, 'complete');
    assert.ok(arrived());
    assert.ok((starts().at(-1) ?? 0) > 0, `ranges begin at ${starts().join()}`);
  });

  it('say that their process was killed, and go on from what had arrived', async () => {
    const { downloads } = await gradlens();
    server.misbehave(graph, slow);
    const running = downloads.download(repo, null);
    await within(20_000, 'some of the graph', () => (downloads.last?.file === graph && downloads.last.bytesDone > 100_000) || undefined);
    for (const pid of downloads.pids) process.kill(pid, 'SIGKILL');
    const outcome = await running;
    assert.ok(outcome.status === 'failed', JSON.stringify(outcome));
    assert.match(outcome.problem.message, /broke off.*SIGKILL.*What has arrived is kept/u);
    assert.equal((await downloads.download(repo, null)).status, 'complete');
    assert.ok(arrived());
    assert.ok((starts().at(-1) ?? 0) > 0, `ranges begin at ${starts().join()}`);
  });

  it('say in words what is wrong, and what to do', async () => {
    const { downloads } = await gradlens();
    const missing = await downloads.download('someone/nothing', null);
    assert.ok(missing.status === 'failed');
    assert.match(missing.problem.message, /someone\/nothing/u);
    const variant = await downloads.download(repo, 'q4');
    assert.ok(variant.status === 'failed');
    assert.match(variant.problem.message, /no variant “q4”\. Its variants: fp32/u);
  });
});

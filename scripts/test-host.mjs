// The host suite: mocha inside the extension host of a real VS Code, served by code-server to a headless Chromium.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import util from 'node:util';
import { buildHostSuite } from './host-suite.mjs';
import { root } from './setup.mjs';
import { installCodeServer, openBrowser, serve } from './vscode-web.mjs';

const TIMEOUT_MS = 240_000;

installCodeServer();
const tests = await buildHostSuite();
const scratch = mkdtempSync(path.join(tmpdir(), 'gradlens-host-'));
const workspace = path.join(scratch, 'workspace');
cpSync(path.join(root, 'samples'), workspace, { recursive: true });
const results = process.env.GRADLENS_RESULTS ?? path.join(root, 'artifacts', 'host.json');
rmSync(results, { force: true });
mkdirSync(path.dirname(results), { recursive: true });

const server = await serve({ dataDir: path.join(scratch, 'data'), extensionsDir: path.join(scratch, 'extensions'), env: { GRADLENS_HOST_RESULTS: results } });
const browser = await openBrowser();
let code = 1;
try {
  const page = await (await browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: 'reduce' })).newPage();
  const exited = new Promise((resolve) => {
    void page.exposeFunction('codeAutomationExit', (exitCode) => resolve(exitCode));
    void page.exposeFunction('codeAutomationLog', (_type, args) => {
      const line = util.format(...args.map((arg) => (typeof arg === 'string' ? arg : util.inspect(arg))));
      if (process.env.VERBOSE) console.log(line);
    });
  });
  const remote = (file) => `vscode-remote://127.0.0.1:${server.port}${file}`;
  const payload = [['extensionDevelopmentPath', remote(root)], ['extensionTestsPath', remote(tests)], ['skipWelcome', 'true'], ['skipReleaseNotes', 'true']];
  await page.goto(`${server.url(workspace)}&payload=${encodeURIComponent(JSON.stringify(payload))}`);
  const late = new Promise((resolve) => setTimeout(() => resolve('late'), TIMEOUT_MS).unref());
  code = await Promise.race([exited, late]);
  if (code === 'late') {
    await page.screenshot({ path: path.join(root, 'artifacts', 'host-timeout.png') });
    console.log(`The host suite did not end within ${TIMEOUT_MS / 1000} s; see artifacts/host-timeout.png.`);
    writeFileSync(results, JSON.stringify({ stats: { passes: 0, failures: 1, pending: 0 } }));
  }
  const report = existsSync(results) ? JSON.parse(readFileSync(results, 'utf8')) : { tests: [] };
  for (const { title, error, millis } of report.tests ?? []) console.log(error ? `  ✘ ${title}\n${error}` : `  ✔ ${title} (${millis} ms)`);
} finally {
  await browser.close();
  server.stop();
}
process.exit(code === 0 ? 0 : 1);

// VS Code in a browser without any download but npm's: installs code-server, serves a workspace, opens Chromium.
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { root, run } from './setup.mjs';

/** VS Code 1.100.3; runs on Node 20. */
const VERSION = '4.100.3';
const home = path.join(root, '.vscode-web');
const server = path.join(home, 'node_modules', 'code-server');
const entry = path.join(server, 'out', 'node', 'entry.js');

const link = (target, file) => {
  rmSync(file, { force: true, recursive: true });
  symlinkSync(target, file);
};

/** Where the headers of the running Node lie, so that native modules build without a download. */
function nodeHeaders() {
  for (const prefix of [path.dirname(path.dirname(realpathSync(process.execPath))), '/usr', '/usr/local']) {
    if (existsSync(path.join(prefix, 'include', 'node', 'node_version.h'))) return prefix;
  }
  return null;
}

/** Installs code-server into .vscode-web once; about a minute. */
export function installCodeServer() {
  const stamp = path.join(home, `.installed-${VERSION}`);
  if (existsSync(stamp)) return;
  console.log(`Installing code-server ${VERSION} (VS Code in the browser)`);
  mkdirSync(home, { recursive: true });
  if (!existsSync(path.join(home, 'package.json'))) writeFileSync(path.join(home, 'package.json'), '{"name":"vscode-web","private":true}\n');
  const headers = nodeHeaders();
  const env = { ...process.env, ...(headers ? { npm_config_nodedir: headers } : {}) };
  const quiet = { env, stdio: ['ignore', 'ignore', 'inherit'] };
  const npm = (cwd, ...args) => run('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], { ...quiet, cwd });
  // The packages' own scripts download binaries from elsewhere: everything is installed without them and built here.
  npm(home, 'install', `code-server@${VERSION}`, '--ignore-scripts');
  const vscode = path.join(server, 'lib', 'vscode');
  npm(vscode, 'install', '--omit=dev', '--ignore-scripts');
  npm(path.join(vscode, 'extensions'), 'install', '--omit=dev', '--ignore-scripts');
  link('node_modules', path.join(vscode, 'node_modules.asar'));
  link('code-linux.sh', path.join(vscode, 'bin', 'remote-cli', 'code-server'));
  link('browser-linux.sh', path.join(vscode, 'bin', 'helpers', 'browser.sh'));
  const native = ['@vscode/spdlog', 'native-watchdog', 'kerberos'].filter((name) => existsSync(path.join(vscode, 'node_modules', name, 'binding.gyp')));
  npm(vscode, 'rebuild', '--build-from-source', ...native);
  const npmHome = path.dirname(path.dirname(realpathSync(spawnSync('which', ['npm'], { encoding: 'utf8' }).stdout.trim())));
  run(process.execPath, [path.join(npmHome, 'node_modules', 'node-gyp', 'bin', 'node-gyp.js'), 'rebuild'], { ...quiet, cwd: path.join(vscode, 'node_modules', 'node-pty') });
  const ripgrep = path.join(vscode, 'node_modules', '@vscode', 'ripgrep', 'bin');
  mkdirSync(ripgrep, { recursive: true });
  link('/usr/bin/rg', path.join(ripgrep, 'rg'));
  npm(home, 'rebuild', '--build-from-source', 'argon2');
  writeFileSync(stamp, '');
}

const settings = {
  'workbench.startupEditor': 'none',
  'telemetry.telemetryLevel': 'off',
  'extensions.autoCheckUpdates': false,
  'extensions.autoUpdate': false,
  'extensions.ignoreRecommendations': true,
  'update.mode': 'none',
  'workbench.tips.enabled': false,
  'workbench.enableExperiments': false,
  'chat.commandCenter.enabled': false,
  'git.enabled': false,
  'workbench.reduceMotion': 'on',
  'editor.cursorBlinking': 'solid',
  'files.exclude': { '**/.vscode': true },
  'terminal.integrated.gpuAcceleration': 'off',
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
};

const freePort = () =>
  new Promise((resolve, reject) => {
    const probe = net.createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });

const statusOf = (url) =>
  new Promise((resolve) => {
    http.get(url, (response) => {
      response.resume();
      resolve(response.statusCode);
    }).on('error', () => resolve(0));
  });

function command(args, options) {
  return spawn(process.execPath, [entry, ...args], { ...options, env: { ...process.env, EXTENSIONS_GALLERY: '{"serviceUrl":""}', ...options.env } });
}

/** Installs a packaged extension into an extensions folder. */
export function installVsix(vsix, extensionsDir) {
  const result = spawnSync(process.execPath, [entry, '--install-extension', vsix, '--extensions-dir', extensionsDir], {
    encoding: 'utf8',
    env: { ...process.env, EXTENSIONS_GALLERY: '{"serviceUrl":""}' },
  });
  if (result.status !== 0 || !/successfully installed/i.test(result.stdout)) throw new Error(`The extension could not be installed: ${result.stdout}${result.stderr}`);
}

/** Serves VS Code on loopback; `stop` ends the whole group of processes. */
export async function serve({ dataDir, extensionsDir, env = {}, extraSettings = {}, trust = false }) {
  mkdirSync(path.join(dataDir, 'User'), { recursive: true });
  mkdirSync(extensionsDir, { recursive: true });
  writeFileSync(path.join(dataDir, 'User', 'settings.json'), JSON.stringify({ ...settings, 'security.workspace.trust.enabled': trust, ...extraSettings }));
  writeFileSync(path.join(dataDir, 'config.yaml'), '');
  const port = await freePort();
  const logFile = path.join(dataDir, 'server.log');
  const log = openSync(logFile, 'w');
  const args = [
    '--config', path.join(dataDir, 'config.yaml'), '--auth', 'none', '--bind-addr', `127.0.0.1:${port}`,
    '--user-data-dir', dataDir, '--extensions-dir', extensionsDir, '--disable-telemetry', '--disable-update-check',
    ...(trust ? [] : ['--disable-workspace-trust']), '--disable-getting-started-override', '--session-socket', path.join(dataDir, 's.sock'),
  ];
  const child = command(args, { stdio: ['ignore', log, log], detached: true, env });
  closeSync(log);
  let ended = false;
  child.on('exit', () => (ended = true));
  const stop = () => {
    try {
      process.kill(-child.pid, 'SIGTERM');
    } catch {
      // Already gone.
    }
  };
  process.on('exit', stop);
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));
  const started = Date.now();
  while ((await statusOf(`http://127.0.0.1:${port}/healthz`)) !== 200) {
    if (ended || Date.now() - started > 60_000) throw new Error(`code-server did not start:\n${readFileSync(logFile, 'utf8')}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return { port, stop, url: (folder) => `http://127.0.0.1:${port}/?folder=${encodeURIComponent(folder)}` };
}

const chromiumArguments = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--disable-extensions', '--disable-default-apps', '--no-default-browser-check',
];

/** Debian's Chromium under playwright. */
export async function openBrowser() {
  const { chromium } = await import('playwright-core');
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true, args: chromiumArguments });
}

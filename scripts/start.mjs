// npm start: from a fresh clone to a repaired program in the terminal, then to the sample workspace in an editor.
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { build, ensureDebianPackages, ensureNodeModules, hasCommand, root } from './setup.mjs';

const help = `npm start [-- OPTIONS]
  --no-editor   stop after the repair in the terminal
  --browser     VS Code in the browser (code-server), even where \`code\` is installed
  --help        this text`;

const known = ['--no-editor', '--browser', '--help'];
const options = process.argv.slice(2);
const sample = path.join('samples', 'most_freq.py');

const title = (text) => console.log(`\n── ${text} ${'─'.repeat(Math.max(3, 70 - text.length))}`);

function stopOnSignals() {
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, () => {
      console.log('\nStopped.');
      process.exit(0);
    });
  }
}

/** Shows the command line at work; a program that stays buggy is no reason to go on. */
function repairSample() {
  title(`Repairing ${sample}`);
  const { status, signal } = spawnSync(process.execPath, [path.join('dist', 'cli.cjs'), 'repair', sample], { cwd: root, stdio: 'inherit' });
  if (signal === 'SIGINT' || status === 130) process.exit(130);
  if (status !== 0) throw new Error(`the repair of ${sample} ended with code ${status ?? signal}`);
}

/** The user's own copy of the samples, kept from one start to the next. */
function workspace() {
  const folder = path.join(root, 'artifacts', 'workspace');
  if (!existsSync(folder)) cpSync(path.join(root, 'samples'), folder, { recursive: true });
  return folder;
}

/** Runs the desktop editor until its window is closed; false if it would not start. */
function openDesktop(folder) {
  title('Opening the sample workspace in VS Code');
  console.log(`${folder}\nClose its window or press Ctrl-C here to stop.`);
  const child = spawn('code', [`--extensionDevelopmentPath=${root}`, '--new-window', '--wait', folder], { stdio: 'inherit', shell: process.platform === 'win32' });
  return new Promise((resolve) => {
    child.on('error', () => resolve(false));
    child.on('exit', (code) => resolve(code === 0));
  });
}

async function openBrowserEditor(folder) {
  title('Serving the sample workspace in VS Code in the browser');
  ensureDebianPackages();
  const { installCodeServer, installVsix, serve } = await import('./vscode-web.mjs');
  const { packageExtension } = await import('./package.mjs');
  installCodeServer();
  const scratch = mkdtempSync(path.join(tmpdir(), 'gradlens-'));
  const extensionsDir = path.join(scratch, 'extensions');
  installVsix(packageExtension(), extensionsDir);
  const server = await serve({ dataDir: path.join(scratch, 'data'), extensionsDir });
  console.log(`\nOpen this address:\n\n    ${server.url(folder)}\n\nIt answers on this machine only. Press Ctrl-C here to stop it.`);
}

async function openEditor() {
  const folder = workspace();
  if (!options.includes('--browser') && hasCommand('code') && (await openDesktop(folder))) return;
  if (process.platform === 'linux') return openBrowserEditor(folder);
  console.log(`Install Visual Studio Code and its “code” command, then run npm start again; or open ${folder} with the packaged extension (npm run package).`);
}

async function main() {
  const unknown = options.find((option) => !known.includes(option));
  if (unknown !== undefined) throw new Error(`unknown option ${unknown}\n${help}`);
  if (options.includes('--help')) return console.log(help);
  const major = Number(process.versions.node.split('.')[0]);
  if (major < 20) throw new Error(`Node 20 or newer is needed, and this is ${process.version}`);
  ensureNodeModules();
  console.log('Building');
  build();
  repairSample();
  if (!options.includes('--no-editor')) await openEditor();
}

stopOnSignals();
main().catch((error) => {
  console.error(`npm start failed: ${error.message}`);
  process.exit(1);
});

// What every script needs before it can work: Debian packages, npm packages, the build. Node's own modules only.
import { spawnSync } from 'node:child_process';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** Runs a command and shows its output; throws if it fails. */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (result.error) throw result.error;
  if (result.status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${result.signal ?? `code ${result.status}`}`);
}

const quiet = (command, args) => spawnSync(command, args, { stdio: 'ignore' }).status === 0;

/** Debian packages that the editor's tests need, by the file that tells that they are there. */
const packages = {
  chromium: '/usr/bin/chromium',
  ripgrep: '/usr/bin/rg',
  'libkrb5-dev': '/usr/include/krb5.h',
  'libsecret-1-dev': '/usr/include/libsecret-1',
  'pkg-config': '/usr/bin/pkg-config',
  'build-essential': '/usr/bin/g++',
  libvulkan1: null,
};

const hasVulkan = () => ['x86_64', 'aarch64'].some((arch) => existsSync(`/usr/lib/${arch}-linux-gnu/libvulkan.so.1`));

/** Installs missing Debian packages as root, else says which are missing. Gives those that still are. */
export function ensureDebianPackages() {
  const missing = Object.entries(packages).filter(([, file]) => !(file ? existsSync(file) : hasVulkan())).map(([name]) => name);
  if (missing.length === 0) return [];
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    console.log(`Missing system packages: ${missing.join(' ')}. Install them with: sudo apt-get install ${missing.join(' ')}`);
    return missing;
  }
  console.log(`Installing system packages: ${missing.join(' ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  run('apt-get', ['update', '-qq'], { env, stdio: ['ignore', 'ignore', 'inherit'] });
  run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...missing], { env, stdio: ['ignore', 'ignore', 'inherit'] });
  return [];
}

/** npm packages as the lock file says. onnxruntime-node's own download of GPU libraries is not needed for that. */
export function ensureNodeModules() {
  const stamp = path.join(root, 'node_modules', '.gradlens-installed');
  const lock = path.join(root, 'package-lock.json');
  if (existsSync(stamp) && statSync(stamp).mtimeMs >= statSync(lock).mtimeMs) return;
  console.log('Installing npm packages');
  run('npm', ['ci', '--no-audit', '--no-fund'], { env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' } });
  writeFileSync(stamp, '');
}

export function build() {
  run(process.execPath, ['esbuild.mjs']);
}

export const hasCommand = (name) => quiet('which', [name]);

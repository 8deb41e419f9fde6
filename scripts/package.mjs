// npm run package [-- TARGET]: the extension as a VSIX with one platform's native binaries.
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, ensureNodeModules, root, run } from './setup.mjs';

/** VSIX target → the runtime's folder of binaries. */
const targets = { 'linux-x64': 'linux/x64', 'linux-arm64': 'linux/arm64', 'win32-x64': 'win32/x64', 'win32-arm64': 'win32/arm64', 'darwin-arm64': 'darwin/arm64' };

const shipped = ['dist', 'media', 'syntaxes', 'snippets', 'samples', 'models', 'package.nls.json', 'README.md', 'CHANGELOG.md', 'LICENSE'];

/** Gives the path of the VSIX. */
export function packageExtension(target = `${process.platform}-${process.arch}`) {
  const binaries = targets[target];
  if (!binaries) throw new Error(`No runtime binary exists for ${target}. Known: ${Object.keys(targets).join(', ')}.`);
  const staging = path.join(root, 'artifacts', 'package', target);
  rmSync(staging, { recursive: true, force: true });
  mkdirSync(staging, { recursive: true });
  for (const name of shipped) {
    if (existsSync(path.join(root, name))) cpSync(path.join(root, name), path.join(staging, name), { recursive: true, filter: (file) => !file.endsWith('.map') });
  }
  copyRuntime(staging, binaries);
  const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  const { 'onnxruntime-node': node, 'onnxruntime-common': common } = manifest.dependencies;
  const development = new Set(['devDependencies', 'scripts', 'files', 'private', 'type']);
  const kept = Object.fromEntries(Object.entries(manifest).filter(([key]) => !development.has(key)));
  const dependencies = { 'onnxruntime-node': node, 'onnxruntime-common': common };
  writeFileSync(path.join(staging, 'package.json'), JSON.stringify({ ...kept, dependencies }, null, 2));
  writeFileSync(path.join(staging, '.vscodeignore'), '**/*.map\n');
  const vsix = path.join(root, 'artifacts', `gradlens-${target}.vsix`);
  rmSync(vsix, { force: true });
  const vsce = path.join(root, 'node_modules', '@vscode', 'vsce', 'vsce');
  run(process.execPath, [vsce, 'package', '--skip-license', '--allow-missing-repository', '--no-rewrite-relative-links', '--target', target, '--out', vsix], { cwd: staging, stdio: ['ignore', 'ignore', 'inherit'] });
  console.log(`${path.relative(root, vsix)}: ${(statSync(vsix).size / 2 ** 20).toFixed(1)} MiB`);
  return vsix;
}

/** The runtime's JavaScript and the binaries of one platform; the package.json of its CommonJS build must stay. */
function copyRuntime(staging, binaries) {
  const from = (name) => path.join(root, 'node_modules', name);
  const to = (name) => path.join(staging, 'node_modules', name);
  for (const name of ['onnxruntime-node', 'onnxruntime-common']) {
    for (const part of ['package.json', 'dist']) {
      cpSync(path.join(from(name), part), path.join(to(name), part), { recursive: true, filter: (file) => !/\.(map|d\.ts)$/.test(file) && !/dist[\\/](esm|ort\.)/.test(file) });
    }
  }
  // The runtime's own installer and what it needs stay behind.
  const file = path.join(to('onnxruntime-node'), 'package.json');
  const runtime = JSON.parse(readFileSync(file, 'utf8'));
  writeFileSync(file, JSON.stringify({ ...runtime, scripts: {}, dependencies: { 'onnxruntime-common': runtime.dependencies['onnxruntime-common'] } }, null, 2));
  const native = path.join('bin', 'napi-v6', ...binaries.split('/'));
  cpSync(path.join(from('onnxruntime-node'), native), path.join(to('onnxruntime-node'), native), { recursive: true });
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  ensureNodeModules();
  build();
  packageExtension(process.argv[2]);
}

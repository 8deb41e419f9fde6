// npm test: installs what is missing, then runs every suite and ends with one line of counts.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { build, ensureDebianPackages, ensureNodeModules, root } from './setup.mjs';

const artifacts = path.join(root, 'artifacts');
const results = [];

function step(name, command, args) {
  const started = Date.now();
  const { status, signal } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  const ok = status === 0;
  console.log(`${ok ? '✔' : '✘'} ${name} (${((Date.now() - started) / 1000).toFixed(1)} s)${signal ? `, ended by ${signal}` : ''}`);
  results.push({ name, passes: ok ? 1 : 0, failures: ok ? 0 : 1, pending: 0 });
}

/** A suite that writes mocha's counts as JSON; one that ran nothing has failed. */
function suite(name, command, args) {
  const started = Date.now();
  const file = path.join(artifacts, `${name}.json`);
  rmSync(file, { force: true });
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, GRADLENS_RESULTS: file } });
  const counts = { passes: 0, failures: 0, pending: 0, ...(existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).stats : {}) };
  if (counts.passes === 0 || (status !== 0 && counts.failures === 0)) counts.failures++;
  console.log(`${counts.failures === 0 ? '✔' : '✘'} ${name}: ${counts.passes} passed, ${counts.failures} failed, ${counts.pending} skipped (${((Date.now() - started) / 1000).toFixed(1)} s)`);
  results.push({ name, ...counts });
}

ensureDebianPackages();
ensureNodeModules();
mkdirSync(artifacts, { recursive: true });
build();

const bin = (name) => path.join(root, 'node_modules', '.bin', name);
step('types', bin('tsc'), ['--noEmit']);
step('lint', bin('eslint'), ['.']);
suite('unit', bin('mocha'), ['--reporter', 'scripts/mocha-reporter.cjs']);
for (const [name, file] of [['host', 'scripts/test-host.mjs'], ['e2e', 'scripts/test-e2e.mjs']]) {
  if (existsSync(path.join(root, file))) suite(name, process.execPath, [file]);
}

const total = (key) => results.reduce((sum, result) => sum + result[key], 0);
const skipped = total('pending');
console.log(`${total('passes')} passed, ${total('failures')} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exit(total('failures') === 0 ? 0 : 1);

// The end-to-end suite: the packaged extension in code-server, driven by a headless Chromium as a user would.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { packageExtension } from './package.mjs';
import { root } from './setup.mjs';
import { installCodeServer } from './vscode-web.mjs';

installCodeServer();
const vsix = packageExtension();
const { status } = spawnSync(
  path.join(root, 'node_modules', '.bin', 'mocha'),
  // A browser's file watcher now and then misses a changed setting: such a test is tried again, and its failure told if it stays.
  ['--no-config', '--import=tsx', '--exit', '--timeout', '180000', '--retries', '2', '--reporter', 'scripts/mocha-reporter.cjs', 'test/e2e/**/*.test.ts'],
  { cwd: root, stdio: 'inherit', env: { ...process.env, GRADLENS_VSIX: vsix } },
);
process.exit(status ?? 1);

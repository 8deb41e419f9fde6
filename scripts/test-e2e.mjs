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
  ['--no-config', '--import=tsx', '--exit', '--timeout', '180000', '--reporter', 'scripts/mocha-reporter.cjs', 'test/e2e/**/*.test.ts'],
  { cwd: root, stdio: 'inherit', env: { ...process.env, GRADLENS_VSIX: vsix } },
);
process.exit(status ?? 1);

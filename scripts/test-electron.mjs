// npm run test:electron: the host suite in a desktop VS Code, downloaded or named by VSCODE_PATH.
import { runTests } from '@vscode/test-electron';
import { cpSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buildHostSuite } from './host-suite.mjs';
import { build, ensureNodeModules, root } from './setup.mjs';

ensureNodeModules();
build();
const workspace = path.join(mkdtempSync(path.join(tmpdir(), 'gradlens-electron-')), 'workspace');
cpSync(path.join(root, 'samples'), workspace, { recursive: true });
const { VSCODE_PATH } = process.env;
await runTests({
  ...(VSCODE_PATH ? { vscodeExecutablePath: VSCODE_PATH } : {}),
  extensionDevelopmentPath: root,
  extensionTestsPath: await buildHostSuite(),
  launchArgs: [workspace, '--disable-extensions', '--disable-workspace-trust'],
});

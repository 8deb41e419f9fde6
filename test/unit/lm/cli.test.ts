// gradlens generate as a user meets it: the built script in a process of its own.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { buildSync } from 'esbuild';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { before, describe, it } from 'mocha';
import { builtHost } from '../../support/host.ts';
import { present, stories } from './models.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const script = path.join(path.dirname(builtHost()), 'generate-cli.cjs');
const gradlens = (...args: string[]) => spawnSync(process.execPath, [script, 'generate', ...args], { cwd: root, encoding: 'utf8' });

describe('gradlens generate', () => {
  before(() => void buildSync({ entryPoints: [path.join(root, 'src/cli.ts')], outfile: script, bundle: true, platform: 'node', target: 'node20', format: 'cjs', external: ['onnxruntime-node'], logLevel: 'warning' }));

  it('says what to do about bad input', () => {
    for (const [args, message] of [
      [['--prompt', 'x'], /Which model\?/],
      [['--model', 'nowhere', '--prompt', 'x'], /There is no folder .*nowhere\. Give the folder of a model/],
      [['--model', 'nowhere'], /Which prompt\?/],
      [['--model', 'nowhere', '--prompt', 'x', '--top-p', '2'], /--top-p takes a number from 0 to 1, not “2”/],
    ] as const) {
      const { status, stderr } = gradlens(...args);
      assert.equal(status, 2);
      assert.match(stderr, message);
    }
  });

  (present ? it : it.skip)('ends before the first of several stop strings of stories260k, as one JSON document', () => {
    const { status, stdout } = gradlens('--model', stories, '--prompt', 'Once upon a time', '--stop', 'named', '--stop', 'little', '--json');
    const { text, end } = JSON.parse(stdout) as { text: string; end: unknown };
    assert.deepEqual([status, text, end], [0, ', there was a ', { reason: 'stop', stop: 'little' }]);
  });
});

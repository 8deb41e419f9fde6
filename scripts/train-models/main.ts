// npm run train:models: trains a model that comes with the project, evaluates it and writes its folder.
import { rmSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { rootPath, startModelHost } from './modelHost.ts';
import { STEPS, tinyCodeVocabulary, trainTinyCode } from './tinyCode.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'tiny-code' },
    steps: { type: 'string', default: String(STEPS) },
    threads: { type: 'string', default: '1' },
    out: { type: 'string' },
    anew: { type: 'boolean', default: false },
    evaluate: { type: 'boolean', default: false },
  },
});

const log = (line: string): void => console.log(`${new Date().toISOString().slice(11, 19)} ${line}`);
const checkpoints = rootPath(path.join('artifacts/train', values.model));
if (values.anew) rmSync(checkpoints, { recursive: true, force: true });
const host = startModelHost();
const bpe = tinyCodeVocabulary();
await trainTinyCode({ host, bpe, steps: Number(values.steps), threads: Number(values.threads), folder: checkpoints, log });
host.dispose();

// npm run train:models: trains a model that comes with the project, evaluates it and writes its folder.
import { rmSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import type { MakeOptions } from './makeOptions.ts';
import { rootPath, startModelHost } from './modelHost.ts';
import { makeTinyCode } from './tinyCodeModel.ts';
import { makeTinyVision } from './vision/command.ts';

const models: Readonly<Record<string, (options: MakeOptions) => Promise<void>>> = { 'tiny-code': makeTinyCode, 'tiny-vision': makeTinyVision };

const usage = `npm run train:models -- [--model NAME] [--steps N] [--threads N] [--items N] [--out FOLDER] [--anew] [--evaluate]

Trains a model (${Object.keys(models).join(', ')}), evaluates it on held-out text and writes its folder (default: models/NAME).
An interrupted training goes on from its checkpoint, unless --anew is given. --evaluate leaves out the training.`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      model: { type: 'string', default: 'tiny-code' }, steps: { type: 'string' }, threads: { type: 'string', default: '1' }, items: { type: 'string', default: '500' },
      out: { type: 'string' }, anew: { type: 'boolean', default: false }, evaluate: { type: 'boolean', default: false }, help: { type: 'boolean', default: false },
    },
  });
  const make = models[values.model];
  const numbers = [values.steps ?? '1', values.threads, values.items].map(Number);
  if (values.help || !make || !numbers.every((number) => Number.isInteger(number) && number > 0)) {
    console.error(usage);
    return values.help ? 0 : 2;
  }
  // A short trial must not write over the checkpoints of a whole training.
  const checkpoints = rootPath(path.join('artifacts/train', values.model + (values.steps === undefined ? '' : `-${values.steps}`)));
  if (values.anew) rmSync(checkpoints, { recursive: true, force: true });
  const host = startModelHost();
  try {
    await make({
      host, steps: values.steps === undefined ? null : Number(values.steps), threads: Number(values.threads), items: Number(values.items),
      out: path.resolve(values.out ?? rootPath(path.join('models', values.model))), checkpoints, evaluateOnly: values.evaluate,
      log: (line) => console.log(`${new Date().toISOString().slice(11, 19)} ${line}`),
    });
    return 0;
  } finally {
    host.dispose();
  }
}

process.exitCode = await main();

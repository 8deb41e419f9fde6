// npm run bench -- steer: what steering vectors do on the project's tiny models, against controls; or on TruthfulQA with any model.
import { parseArgs } from 'node:util';
import { benchOverhead } from './overhead.ts';
import type { PartReport } from './report.ts';
import type { Run } from './setting.ts';
import { ResultStore } from './store.ts';
import { benchTinyCode } from './tinyCode.ts';
import { benchTinyVision } from './tinyVision.ts';
import { benchTruthfulQa } from './truthfulqa.ts';
import { builtHost } from '../builtHost.ts';
import { ModelHost } from '../../src/runtime/client.ts';

const options = {
  seed: { type: 'string', default: '1' },
  parts: { type: 'string', default: 'code,vision,overhead' },
  model: { type: 'string' },
  data: { type: 'string' },
  minutes: { type: 'string', default: '8' },
  fresh: { type: 'boolean', default: false },
  out: { type: 'string', default: 'steer' },
} as const;

/** `steer [truthfulqa --model FOLDER]`: rows that are there already are not measured again. */
export async function benchSteer(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
  const store = new ResultStore(values.out, values.fresh);
  const host = ModelHost.start({ hostPath: builtHost() });
  const seed = Number(values.seed);
  const run = (): Run => ({ host, store, deadline: performance.now() + 60_000 * Number(values.minutes), log: (text) => console.error(text) });
  const parts: Readonly<Record<string, () => Promise<PartReport>>> = {
    code: () => benchTinyCode(run(), seed),
    vision: () => benchTinyVision(run(), seed),
    truthfulqa: () => benchTruthfulQa(run(), { seed, model: values.model, data: values.data }),
  };
  try {
    for (const name of positionals.length > 0 ? positionals : values.parts.split(',')) {
      if (name === 'overhead') store.setOverhead(await benchOverhead(host, seed));
      else if (parts[name]) store.addPart(await parts[name]());
      else throw new Error(`There is no part “${name}”: ${Object.keys(parts).join(', ')}, overhead.`);
    }
    console.log(store.text);
  } finally {
    host.dispose();
  }
}

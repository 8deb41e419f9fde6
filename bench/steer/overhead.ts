// Part four: what steering costs a token, against the untouched graph in turns.
import { fileURLToPath } from 'node:url';
import { openedModel } from './openedModel.ts';
import type { OverheadRow } from './report.ts';
import { randomLlama, randomShape, storiesFolder } from '../generate/llama.ts';
import type { Contestant, DecodedRun } from '../generate/contestants.ts';
import { measured, numbers } from '../generate/contestants.ts';
import { generate } from '../../src/lm/generate.ts';
import type { TextStream } from '../../src/lm/generate.ts';
import type { ModelFolder } from '../../src/lm/folder.ts';
import { folderDecoder } from '../../src/lm/languageModel.ts';
import { openDecoder } from '../../src/lm/session.ts';
import type { StreamSource } from '../../src/lm/tokenStream.ts';
import type { ModelHost } from '../../src/runtime/client.ts';
import { Random } from '../../src/shared/random.ts';
import { greedy } from '../../src/shared/sampling.ts';
import { SteeredModel } from '../../src/steering/steering.ts';

const ROUNDS = 11;
const PROMPT = 32;
const TOKENS = 96;
const session = { provider: 'cpu', threads: 1 } as const;

type TimedFolder = Pick<ModelFolder, 'name' | 'file' | 'sizes' | 'embedding'>;

export async function benchOverhead(host: ModelHost, seed: number): Promise<readonly OverheadRow[]> {
  const rows: OverheadRow[] = [];
  for (const { folder, text } of models(seed)) rows.push(await measure(host, folder, text, seed));
  return rows;
}

function models(seed: number): readonly { readonly folder: ModelFolder; readonly text: TextStream }[] {
  const tiny = openedModel(fileURLToPath(new URL('../../models/tiny-code', import.meta.url)));
  const stories = storiesFolder();
  const drawn = randomLlama(randomShape, seed);
  // Only its graph and sizes are asked for.
  const random = { ...tiny.folder, name: drawn.name, file: drawn.file, sizes: { ...tiny.folder.sizes, context: drawn.shape.context, keyValueHeads: drawn.shape.keyValueHeads, headSize: drawn.shape.hidden / drawn.shape.heads } };
  return [{ folder: tiny.folder, text: tiny.tokenizer }, ...(stories === null ? [] : [openedModel(stories)].map(({ folder, tokenizer }) => ({ folder, text: tokenizer }))), { folder: random, text: numbers }];
}

async function measure(host: ModelHost, folder: ModelFolder & TimedFolder, text: TextStream, seed: number): Promise<OverheadRow> {
  const [plain, opened] = [await openDecoder(host, { ...folderDecoder(folder), options: session }), await SteeredModel.open(host, folder, { session })];
  if (!plain.ok || !opened.ok) throw new Error(`${folder.name} cannot be opened`);
  const { steered } = opened;
  const random = new Random(seed);
  const prompt = [1, ...Array.from({ length: PROMPT - 1 }, () => random.integer(5, 300))];
  const layers = Array.from({ length: steered.stream.layers }, (_, layer) => ({ layer, norm: 0.01, direction: unit(steered.stream.hidden, random) }));
  const sources: readonly StreamSource[] = [{ decoder: plain.decoder }, steered.source({ applied: [{ vector: { layers }, strength: 1 }], promptLength: prompt.length })];
  const contestants = sources.map((source): Contestant => ({ name: folder.name, pids: () => [process.pid, host.pid], run: (ids, tokens) => decodedRun(source, text, ids, tokens) }));
  const times = contestants.map(() => ({ wall: [] as number[], processor: [] as number[] }));
  for (let round = -1; round < ROUNDS; round++) {
    // Nobody is always first; the first round only warms up.
    for (const i of round % 2 === 0 ? [0, 1] : [1, 0]) {
      const [contestant, own] = [contestants[i], times[i]];
      if (!contestant || !own) continue;
      const { decodeMillis, cpuMillis } = await measured(contestant, prompt, TOKENS);
      if (round < 0) continue;
      own.wall.push(decodeMillis / (TOKENS - 1));
      own.processor.push(cpuMillis / TOKENS);
    }
  }
  await plain.decoder.release();
  await steered.release();
  const none = { wall: [], processor: [] };
  return { model: folder.name, plain: times[0] ?? none, steered: times[1] ?? none };
}

async function decodedRun(source: StreamSource, text: TextStream, prompt: readonly number[], maxTokens: number): Promise<DecodedRun> {
  const started = performance.now();
  let first = 0;
  const { tokens } = await generate(source, text, prompt, { sampling: greedy, maxTokens, contextLength: null, endIds: [], stop: [], cache: true }, new Random(1), () => void (first ||= performance.now()));
  return { ids: tokens.map(({ id }) => id), promptMillis: first - started, decodeMillis: performance.now() - first };
}

function unit(width: number, random: Random): Float32Array {
  const values = Array.from({ length: width }, () => random.normal());
  const norm = Math.hypot(...values);
  return Float32Array.from(values, (value) => value / norm);
}

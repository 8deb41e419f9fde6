// npm run bench -- generate: tokens a second against onnxruntime alone and torch, in turns within one run.
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import type { Contestant, Side } from './contestants.ts';
import { bare, measured, numbers, ours, pair, separate, steerable, STEERED_ALL, STEERED_LAYERS, STEERED_NORMS, STEERED_ONE, theirs, WRITABLE } from './contestants.ts';
import type { TimedModel } from './llama.ts';
import { parameters, randomLlama, randomShape, storiesFolder, storiesShape, timedModel } from './llama.ts';
import type { Report, Row, Times } from './report.ts';
import { markdown, rowText } from './report.ts';
import { TorchDecoder } from './torch.ts';
import { builtHost } from '../builtHost.ts';
import { machine } from '../machine.ts';
import { fastestKernels, pythonWithTorch } from '../training/torch.ts';
import { writeReport } from '../writeReport.ts';
import { openModelFolder } from '../../src/lm/folder.ts';
import { folderTokenizer } from '../../src/lm/languageModel.ts';
import { ModelHost } from '../../src/runtime/client.ts';
import { Random } from '../../src/shared/random.ts';

const options = {
  seed: { type: 'string', default: '1' },
  rounds: { type: 'string', default: '9' },
  tokens: { type: 'string', default: '96' },
  prompts: { type: 'string', default: '16,256' },
  threads: { type: 'string', default: '1' },
  models: { type: 'string', default: 'stories,stories-fused,random' },
  out: { type: 'string', default: 'generate' },
} as const;

interface Settings {
  readonly seed: number;
  readonly rounds: number;
  readonly tokens: number;
  readonly threads: number;
}

type Timed = TimedModel & { readonly text: Side['text'] };

export async function benchGenerate(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options });
  const settings = { seed: Number(values.seed), rounds: Number(values.rounds), tokens: Number(values.tokens), threads: Number(values.threads) };
  const models = modelsNamed(values.models.split(','), settings.seed);
  const before = loadavg()[0] ?? 0;
  const torch = await startTorch(settings.threads);
  const host = ModelHost.start({ hostPath: builtHost() });
  const rows: Row[] = [];
  const report = (): Report => ({ machine: machine(), torch: torch?.about ?? null, load: { before, after: loadavg()[0] ?? 0 }, settings, rows });
  const save = (all: Report): string => writeReport(all, markdown(all), values.out);
  try {
    for (const model of models) {
      await torch?.decoder.load(model);
      const contestants = await contestantsOf(model, host, settings.threads);
      if (torch) contestants.push(theirs(torch.decoder));
      for (const prompt of values.prompts.split(',').map(Number)) {
        rows.push(await measure(model, prompt, contestants, settings));
        console.error(rows.slice(-1).map(rowText).join());
        save(report());
      }
    }
    console.log(save(report()));
  } finally {
    host.dispose();
    torch?.decoder.dispose();
  }
}

function modelsNamed(names: readonly string[], seed: number): readonly Timed[] {
  const folder = storiesFolder();
  const stories = folder === null ? [] : [
    { key: 'stories', file: 'model.onnx', name: 'stories260k' },
    { key: 'stories-fused', file: 'model_fused_rotemb.onnx', name: 'stories260k, fused operators' },
  ].filter(({ key }) => names.includes(key)).map(({ file, name }): Timed => ({ ...timedModel(name, `${folder}/onnx/${file}`, storiesShape, `${folder}/onnx/model.onnx`), text: storiesText(folder) }));
  if (folder === null) console.error('The models beside the project are absent, so stories260k takes no part.');
  return [...stories, ...(names.includes('random') ? [{ ...randomLlama(randomShape, seed), text: numbers }] : [])];
}

function storiesText(location: string): Side['text'] {
  const opened = openModelFolder(location);
  const tokenizer = opened.ok ? folderTokenizer(opened.folder) : null;
  if (!tokenizer?.ok) throw new Error(`${location} has no usable tokenizer`);
  return tokenizer.value;
}

async function startTorch(threads: number): Promise<{ readonly decoder: TorchDecoder; readonly about: string } | null> {
  const python = pythonWithTorch();
  if (python === null) return null;
  const kernels = await fastestKernels(python);
  const [best] = kernels;
  const decoder = await TorchDecoder.start(python, threads, best?.kernels ?? null);
  return { decoder, about: `torch ${decoder.version} with ${best?.blas ?? ''}. GFLOP/s on 512 × 512 with one thread, by OPENBLAS_CORETYPE: ${kernels.map((kind) => `${kind.kernels ?? 'its own choice'} ${kind.gflops.toFixed(0)}`).join(', ')}; torch is given the first.` };
}

async function contestantsOf(model: Timed, host: ModelHost, threads: number): Promise<Contestant[]> {
  const side = { host, model, threads, text: model.text };
  const steered: Contestant[] = [];
  for (const name of [WRITABLE, STEERED_ONE, STEERED_LAYERS, STEERED_NORMS, STEERED_ALL] as const) steered.push(await steerable(side, name));
  return [await bare(model, threads), await ours(side), ...steered, await separate(side), await pair(side)];
}

async function measure(model: Timed, length: number, contestants: readonly Contestant[], { seed, rounds, tokens }: Settings): Promise<Row> {
  const random = new Random(seed + length);
  const prompt = [1, ...Array.from({ length: length - 1 }, () => random.integer(3, model.shape.vocabulary - 1))];
  const [reference = [], ...others] = await inTurn(contestants, (contestant) => contestant.run(prompt, tokens).then(({ ids }) => ids));
  const times = contestants.map(({ name }, i): Times => {
    const ids = i === 0 ? reference : (others[i - 1] ?? []);
    const differing = ids.findIndex((id, at) => id !== reference[at]);
    return { name, promptMillis: [], tokenMillis: [], cpuMillis: [], agreeing: differing < 0 ? ids.length : differing };
  });
  for (let round = 0; round < rounds; round++) {
    // Nobody is always first.
    const order = [...contestants.keys()];
    for (const i of round % 2 === 0 ? order : order.reverse()) {
      const [contestant, own] = [contestants[i], times[i]];
      if (!contestant || !own) continue;
      const run = await measured(contestant, prompt, tokens);
      own.promptMillis.push(run.promptMillis);
      own.tokenMillis.push(run.decodeMillis / (tokens - 1));
      own.cpuMillis.push(run.cpuMillis / tokens);
    }
  }
  return { model: model.name, parameters: parameters(model.shape), prompt: length, times };
}

async function inTurn<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const item of items) results.push(await work(item));
  return results;
}

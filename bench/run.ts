// npm run bench -- NAME [options]: runs one of the benchmarks.
import { benchParallel } from './parallel.ts';
import { benchRaspBugs } from './raspbugs/bench.ts';
import { usage } from './raspbugs/plan.ts';

const benchmarks: Readonly<Record<string, { readonly purpose: string; run(args: readonly string[]): Promise<unknown> }>> = {
  raspbugs: { purpose: `repairs generated bugs: ${usage}`, run: benchRaspBugs },
  language: { purpose: 'how long each language service takes on a 1,000-line RASP file', run: () => import('./language.ts').then(({ benchLanguage }) => benchLanguage()) },
  compile: { purpose: 'how long the base programs take to compile into transformer weights, and their sizes', run: async () => (await import('./compile.ts')).benchCompile() },
  'compile-property': { purpose: 'random programs as interpreter, tables and weights: COUNT SEED', run: async (args) => (await import('./compile.ts')).benchCompileProperty(args) },
  parallel: { purpose: 'time to the patch on one process and on two: --per-cell N, --rounds N, --budget SECONDS, --seed N, --out NAME', run: benchParallel },
  weights: { purpose: 'repairs bugs by training all weights, and takes the recipe apart: --per-cell N, --examples N, --epochs N, --budget SECONDS, --minutes N, --parts rate,ablation, --out NAME', run: async (args) => (await import('./weights.ts')).benchWeights(args) },
  training: { purpose: 'milliseconds for one step of training against torch: --rounds N, --millis N, --batches 32,256, --programs NAME,…, --torch SETTING,…, --seed N, --out NAME', run: async (args) => (await import('./training/bench.ts')).benchTraining(args) },
  gradients: { purpose: 'the gradient of a log-probability by all embeddings against torch: --rounds N, --millis N, --threads 1,2, --models NAME;…, --seed N, --out NAME', run: async (args) => (await import('./gradients/bench.ts')).benchGradients(args) },
  attribution: { purpose: 'attribution to prompts: whether it adds up, its time against torch, its memory, where it points: --parts completeness,speed,memory,pointing, --prompts N, --images N, --rounds N, --threads 1,2, --seed N, --out NAME', run: async (args) => (await import('./attribution/bench.ts')).benchAttribution(args) },
  generate: { purpose: 'tokens a second of generation against onnxruntime alone and torch: --rounds N, --tokens N, --prompts 16,256, --threads N, --models NAME,…, --seed N, --out NAME', run: async (args) => (await import('./generate/bench.ts')).benchGenerate(args) },
  probes: { purpose: 'linear probes against surface baselines on twin pairs and HaluEval: --parts twins,transfer,halueval,cost, --pairs N, --resamples N, --seed N, --out NAME', run: async (args) => (await import('./probes/bench.ts')).benchProbes(args) },
  contradictions: { purpose: 'prints twin pairs of statements as JSON lines: --pairs N, --seed N', run: async (args) => (await import('./probes/bench.ts')).printContradictions(args) },
  steer: { purpose: 'steering vectors against controls on the tiny models: --parts code,vision,overhead, --minutes N a part, --seed N, --fresh, --out NAME; truthfulqa --model FOLDER, --data TruthfulQA.csv', run: async (args) => (await import('./steer/bench.ts')).benchSteer(args) },
  check: { purpose: 'how long a 1,000-line RASP program takes to check', run: () => import('./check.ts') },
};

const [name = '', ...args] = process.argv.slice(2);
const benchmark = Object.hasOwn(benchmarks, name) ? benchmarks[name] : undefined;
if (benchmark) {
  await benchmark.run(args);
} else {
  console.error(['npm run bench -- NAME', ...Object.entries(benchmarks).map(([known, { purpose }]) => `  ${known.padEnd(18)}${purpose}`)].join('\n'));
  process.exitCode = 2;
}

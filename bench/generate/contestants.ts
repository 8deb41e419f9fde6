// Who decodes: the native runtime alone, our generation in several forms, and torch.
import { readdirSync, readFileSync } from 'node:fs';
import * as ort from 'onnxruntime-node';
import type { TimedModel } from './llama.ts';
import type { TorchDecoder } from './torch.ts';
import { generate } from '../../src/lm/generate.ts';
import { generatePair } from '../../src/lm/generatePair.ts';
import { writeInputs, writeSite } from '../../src/lm/edits.ts';
import type { DecoderModel, Feeds } from '../../src/lm/session.ts';
import { openDecoder } from '../../src/lm/session.ts';
import type { Site } from '../../src/lm/sites.ts';
import { findSites } from '../../src/lm/sites.ts';
import { TextDecoding } from '../../src/lm/textDecoding.ts';
import type { Tokenizer } from '../../src/lm/tokenizer.ts';
import type { StreamSource } from '../../src/lm/tokenStream.ts';
import { steerableModel } from '../../src/lm/steerableModel.ts';
import { steeringInputs } from '../../src/lm/writableSites.ts';
import { encodeGraph } from '../../src/onnx/encode.ts';
import type { Graph } from '../../src/onnx/graph.ts';
import type { ModelHost } from '../../src/runtime/client.ts';
import type { HostTensor } from '../../src/runtime/protocol.ts';
import { argmax, greedy } from '../../src/shared/sampling.ts';
import { Random } from '../../src/shared/random.ts';

export interface DecodedRun {
  readonly ids: readonly number[];
  /** Until the first token is there. */
  readonly promptMillis: number;
  /** For the tokens after it. */
  readonly decodeMillis: number;
}

export interface MeasuredRun extends DecodedRun {
  /** Processor time of all threads and processes from the prompt to the last token; NaN where the system does not tell. */
  readonly cpuMillis: number;
}

export interface Contestant {
  readonly name: string;
  /** Texts that a run writes; 1 if absent. */
  readonly texts?: number;
  /** The processes that work. */
  pids(): readonly (number | undefined)[];
  run(prompt: readonly number[], tokens: number): Promise<DecodedRun>;
}

/** A run with its processor time. */
export async function measured(contestant: Contestant, prompt: readonly number[], tokens: number): Promise<MeasuredRun> {
  const before = contestant.pids().map(processorMillis);
  const run = await contestant.run(prompt, tokens);
  const after = contestant.pids().map(processorMillis);
  const cpuMillis = after.reduce((sum, millis, i) => sum + millis - (before[i] ?? Number.NaN), 0);
  const { texts = 1 } = contestant;
  return { ...run, promptMillis: run.promptMillis / texts, decodeMillis: run.decodeMillis / texts, cpuMillis: cpuMillis / texts };
}

/** Time on a processor of all threads of a process, as Linux counts it in nanoseconds. */
function processorMillis(pid: number | undefined): number {
  try {
    const tasks = readdirSync(`/proc/${pid ?? 0}/task`);
    return tasks.reduce((sum, task) => sum + Number(readFileSync(`/proc/${pid ?? 0}/task/${task}/schedstat`, 'utf8').split(' ')[0]) / 1e6, 0);
  } catch {
    return Number.NaN;
  }
}

export const BARE = 'onnxruntime alone';
export const OURS = 'GradLens';
export const PAIR = 'GradLens, two texts side by side, a token of either';
export const WRITABLE = 'GradLens, all sites writable at strength 0';
export const STEERED_ALL = 'GradLens, all sites steered';
export const STEERED_LAYERS = 'GradLens, one site a layer steered';
export const STEERED_NORMS = 'GradLens, one site a layer steered, norms preserved';
export const STEERED_ONE = 'GradLens, one site steered';
export const SEPARATE = 'GradLens, all sites writable by inputs of their own, at strength 0';

/** A loop of one process that only runs the session, takes the likeliest token and feeds the cache back. */
export async function bare({ file, shape }: TimedModel, threads: number): Promise<Contestant> {
  const session = await ort.InferenceSession.create(file.path, { intraOpNumThreads: threads, extra: { session: { intra_op: { allow_spinning: '0' } } } });
  const caches = session.inputNames.filter((name) => name.startsWith('past')).map((past) => [past, past.replace('past_key_values', 'present')] as const);
  const outputs = ['logits', ...caches.map(([, present]) => present)];
  const int64 = (values: readonly number[], dims: readonly number[]): ort.Tensor => new ort.Tensor('int64', BigInt64Array.from(values, BigInt), dims);
  const mask = new BigInt64Array(shape.context).fill(1n);
  const [id, position] = [new BigInt64Array(1), new BigInt64Array(1)];
  const step = { input_ids: new ort.Tensor('int64', id, [1, 1]), position_ids: new ort.Tensor('int64', position, [1, 1]) };
  const likeliest = (logits: ort.Tensor): number => argmax((logits.data as Float32Array).subarray(-shape.vocabulary));
  const run = async (prompt: readonly number[], tokens: number): Promise<DecodedRun> => {
    const started = performance.now();
    const empty = () => new ort.Tensor('float32', new Float32Array(0), [1, shape.keyValueHeads, 0, shape.hidden / shape.heads]);
    const feeds: Record<string, ort.Tensor> = Object.fromEntries(caches.map(([past]) => [past, empty()]));
    const length = prompt.length;
    feeds['attention_mask'] = new ort.Tensor('int64', mask.subarray(0, length), [1, length]);
    let results = await session.run({ ...feeds, input_ids: int64(prompt, [1, length]), position_ids: int64(prompt.map((_, i) => i), [1, length]) }, outputs);
    const ids = [likeliest(results['logits'] as ort.Tensor)];
    const first = performance.now();
    Object.assign(feeds, step);
    for (let at = length; ids.length < tokens; at++) {
      for (const [past, present] of caches) feeds[past] = results[present] as ort.Tensor;
      id[0] = BigInt(ids[ids.length - 1] ?? 0);
      position[0] = BigInt(at);
      feeds['attention_mask'] = new ort.Tensor('int64', mask.subarray(0, at + 1), [1, at + 1]);
      results = await session.run(feeds, outputs);
      ids.push(likeliest(results['logits'] as ort.Tensor));
    }
    return { ids, promptMillis: first - started, decodeMillis: performance.now() - first };
  };
  return { name: BARE, pids: () => [process.pid], run };
}

type Text = Pick<Tokenizer, 'stream'>;

/** Text of models without a tokenizer. */
export const numbers: Text = { stream: (context = []) => new TextDecoding((ids) => ids.map((id) => ` ${id}`).join(''), context) };

export interface Side {
  readonly host: ModelHost;
  readonly model: TimedModel;
  readonly threads: number;
  readonly text: Text;
}

const decoderOf = ({ file }: TimedModel, edit?: Graph): DecoderModel => ({
  graph: edit ?? file.graph,
  source: edit ? { graph: encodeGraph(edit), dataFolder: file.dataFolder, dataBytes: file.dataBytes } : { path: file.path },
});

async function source({ host, threads }: Side, model: DecoderModel, feeds?: Feeds): Promise<StreamSource> {
  const opened = await openDecoder(host, { ...model, options: { threads } });
  if (!opened.ok) throw new Error(opened.fault.message);
  return { decoder: opened.decoder, ...(feeds ? { feeds: () => feeds } : {}) };
}

function generation(name: string, side: Side, from: StreamSource): Contestant {
  const run = async (prompt: readonly number[], tokens: number): Promise<DecodedRun> => {
    const started = performance.now();
    let first = 0;
    const options = { sampling: greedy, maxTokens: tokens, contextLength: side.model.shape.context, endIds: [], stop: [], cache: true };
    const { tokens: written } = await generate(from, side.text, prompt, options, new Random(1), () => void (first ||= performance.now()));
    return { ids: written.map(({ id }) => id), promptMillis: first - started, decodeMillis: performance.now() - first };
  };
  return { name, pids: () => [process.pid, side.host.pid], run };
}

export const ours = async (side: Side): Promise<Contestant> => generation(OURS, side, await source(side, decoderOf(side.model)));

const filled = (value: number, ...dims: readonly number[]): HostTensor => ({ type: 'float32', dims, data: new Float32Array(dims.reduce((size, dim) => size * dim, 1)).fill(value) });

function sitesOf({ file }: TimedModel): readonly Site[] {
  const found = findSites(file.graph);
  if (!found.ok) throw new Error(found.message);
  return found.sites;
}

/** What steers changes no token: it is far below the precision of what it is added to. */
const NEXT_TO_NOTHING = 1e-25;

type Steerable = typeof WRITABLE | typeof STEERED_ALL | typeof STEERED_LAYERS | typeof STEERED_NORMS | typeof STEERED_ONE;

const chosen: Readonly<Record<Steerable, (site: Site, sites: readonly Site[]) => boolean>> = {
  [WRITABLE]: () => true,
  [STEERED_ALL]: () => true,
  [STEERED_LAYERS]: ({ kind }) => kind === 'resid_post',
  [STEERED_NORMS]: ({ kind }) => kind === 'resid_post',
  [STEERED_ONE]: ({ name }, sites) => name === `layers.${Math.floor(sites.filter(({ kind }) => kind === 'resid_post').length / 2)}.resid_post`,
};

export async function steerable(side: Side, name: Steerable): Promise<Contestant> {
  const sites = sitesOf(side.model).filter((site, _, all) => chosen[name](site, all));
  const { model, width } = steerableModel((edit) => decoderOf(side.model, edit), sites, { preserveNorm: name === STEERED_NORMS });
  return generation(name, side, await source(side, model, steering(width, name === WRITABLE ? 0 : 1)));
}

const steering = (width: number, strength: number): Feeds => ({ [steeringInputs.strength]: filled(strength, 1), [steeringInputs.vectors]: filled(NEXT_TO_NOTHING, 1, width), [steeringInputs.mask]: filled(1, 1, 1, 1) });

/** Unsteered and steered, with the divergence at each token and the drift at each layer. */
export async function pair(side: Side): Promise<Contestant> {
  const sites = sitesOf(side.model).filter(({ kind }) => kind === 'resid_post');
  const { model, width } = steerableModel((edit) => decoderOf(side.model, edit), sites, { reads: sites });
  const { decoder } = await source(side, model);
  const [off, on] = [steering(width, 0), steering(width, 1)];
  const sources = [{ decoder, feeds: () => off }, { decoder, feeds: () => on }] as const;
  const run = async (prompt: readonly number[], tokens: number): Promise<DecodedRun> => {
    const started = performance.now();
    let first = 0;
    const options = { sampling: greedy, maxTokens: tokens, contextLength: side.model.shape.context, endIds: [], stop: [], cache: true, follow: 'own', drift: sites.map(({ name }) => name) } as const;
    const { second } = await generatePair(sources, side.text, prompt, options, [new Random(1), new Random(1)], { second: () => void (first ||= performance.now()) });
    return { ids: second.tokens.map(({ id }) => id), promptMillis: first - started, decodeMillis: performance.now() - first };
  };
  return { name: PAIR, texts: 2, pids: () => [process.pid, side.host.pid], run };
}

export async function separate(side: Side): Promise<Contestant> {
  const places = [...new Map(sitesOf(side.model).map((site) => [site.value === '' ? site.node : site.value, site])).values()];
  const feeds: Record<string, HostTensor> = {};
  let graph = side.model.file.graph;
  for (const site of places) {
    const { strength, vectors, mask } = writeInputs(site);
    graph = writeSite(graph, site);
    Object.assign(feeds, { [strength]: filled(0, 1), [vectors]: filled(0, 1, Number(site.shape.at(-1))), [mask]: filled(0, 1, 1, 1) });
  }
  return generation(SEPARATE, side, await source(side, decoderOf(side.model, graph), feeds));
}

export const theirs = (torch: TorchDecoder): Contestant => ({ name: `torch ${torch.version}`, pids: () => [torch.pid], run: (prompt, tokens) => torch.decode(prompt, tokens) });

// gradlens vector: makes steering vectors from contrast pairs.
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { choice, wholeNumber } from './optionValues.ts';
import type { Environment, Outcome } from './outcome.ts';
import { probeVector } from './probeVector.ts';
import { ProgressLine } from './progressLine.ts';
import { tableLines } from './table.ts';
import { percent } from './terminal.ts';
import type { ParsedArguments } from './usage.ts';
import { UsageError } from './usage.ts';
import { ConfigFault } from '../lm/config.ts';
import type { ModelFolder } from '../lm/folder.ts';
import { openModelFolder } from '../lm/folder.ts';
import { readImage } from '../lm/imageFile.ts';
import { folderTokenizer } from '../lm/languageModel.ts';
import { LanguageModelError } from '../lm/session.ts';
import type { Tokenizer } from '../lm/tokenizer.ts';
import type { VisionEncoder } from '../lm/visionEncoder.ts';
import { openVisionEncoder } from '../lm/visionEncoder.ts';
import { ModelHost, RuntimeError } from '../runtime/client.ts';
import type { ContrastPair } from '../steering/contrastPairs.ts';
import { pairsHash, readContrastPairs } from '../steering/contrastPairs.ts';
import { differenceSet } from '../steering/differences.ts';
import { directionMethods } from '../steering/directions.ts';
import { grainsStates } from '../steering/grains.ts';
import type { GrainsStates } from '../steering/grains.ts';
import { layersText, readLayers } from '../steering/layerRange.ts';
import { agreement, grainsDirections, vectorModes } from '../steering/makeVector.ts';
import { residualSites } from '../steering/residualStates.ts';
import { AttributionError } from '../steering/requestProblem.ts';
import type { SearchResult, SettingFigures } from '../steering/search.ts';
import { layerRanges, searchSetting, settingsOf } from '../steering/search.ts';
import { PreparedItems } from '../steering/steeredScores.ts';
import { SteeredModel } from '../steering/steering.ts';
import type { SteeringVector } from '../steering/steeringVector.ts';
import { identityOf, LAST_TOKENS, STRENGTH_MEANING } from '../steering/steeringVector.ts';
import type { TokenPair } from '../steering/tokenPairs.ts';
import { maskToken, pairFault, tokenPair } from '../steering/tokenPairs.ts';
import { DEFAULT_SET_SIZE } from '../steering/tokenSets.ts';
import { writeVectorFile } from '../steering/vectorFile.ts';

const MAX_PAIRS_BYTES = 400 * 2 ** 20;
const SHOWN_FAULTS = 5;

/** @throws UsageError, CancelledError */
export async function vector(args: ParsedArguments, environment: Environment): Promise<Outcome> {
  const [action, ...more] = args.positionals;
  if (action === 'probe') return probeVector(args);
  if (action !== 'grains') throw new UsageError(`${action === undefined ? 'Which kind of vector?' : `gradlens vector cannot make “${action}”.`} Use: gradlens vector grains --model FOLDER --pairs FILE.jsonl -o FILE.safetensors, or gradlens vector probe --model FOLDER --probe FILE.probe.json -o FILE.safetensors`);
  if (more[0] !== undefined) throw new UsageError(`“${more[0]}” is too many: the model is given with --model, the pairs with --pairs.`);
  const host = ModelHost.start({ hostPath: environment.hostPath });
  try {
    return await new GrainsCommand(args, environment, host).run();
  } catch (error) {
    if (error instanceof LanguageModelError || error instanceof ConfigFault || error instanceof AttributionError) throw new UsageError(error.message);
    if (error instanceof RuntimeError) throw new UsageError(`${args.values['model'] ?? ''} cannot be run: ${error.message}`);
    throw error;
  } finally {
    host.dispose();
  }
}

interface Pairs {
  readonly file: string;
  readonly pairs: readonly ContrastPair[];
  readonly inTokens: readonly TokenPair[];
}

type Searched = Pick<SearchResult, 'best' | 'unsteered'>;

class GrainsCommand {
  private readonly progress: ProgressLine;

  constructor(private readonly args: ParsedArguments, private readonly environment: Environment, private readonly host: ModelHost) {
    this.progress = new ProgressLine(environment.terminal, environment.now);
  }

  async run(): Promise<Outcome> {
    const { values } = this.args;
    const { model: location, out, pairs: pairsFile } = values;
    if (location === undefined) throw new UsageError('Which model? Give its folder: --model FOLDER.');
    if (pairsFile === undefined) throw new UsageError('Which pairs? Give a file of JSON lines {"prompt": "…", "preferred": "…", "dispreferred": "…"}: --pairs FILE.jsonl.');
    if (out === undefined) throw new UsageError('Where to? Give the file that the vector is written to: -o FILE.safetensors.');
    const settings = { ...settingsFrom(values), refine: this.args.flags.has('refine') };
    const { folder, tokenizer, width, count, mask } = this.model(location);
    const wanted = values['layers'] === undefined ? null : layersFrom(values['layers'], count);
    const pairs = await this.pairs(pairsFile, folder, tokenizer);
    const validation = values['validation'] === undefined ? null : await this.pairs(values['validation'], folder, tokenizer);
    if (validation) refuseShared(pairs, validation);
    const states = await grainsStates(this.host, folder, pairs.inTokens, mask, { ...settings, token: this.environment.token, onProgress: (stage, done, of) => this.progress.show(`${stage === 'attribution' ? 'attributes pair' : 'reads state'} ${done} of ${of}`) }).finally(() => this.progress.end());
    if (!states.ok) throw new UsageError(states.message);
    const made = grainsDirections(states.grains.states, settings.mode, settings.direction);
    const layers = made.layers.filter(({ layer }) => wanted?.includes(layer) ?? true);
    if (layers.length === 0) throw new UsageError('The pairs show no direction at any of these layers: hiding tokens changes nothing, or the same in every pair. Give more pairs, or --direction mean.');
    const search = validation ? await this.searched(folder, { layers }, validation.inTokens) : null;
    const best = search?.best;
    const chosen = best && best.strength !== 0 ? layers.filter(({ layer }) => best.layers.includes(layer)) : layers;
    const written: SteeringVector = {
      layers: chosen,
      provenance: {
        method: 'grains', settings: { ...settings, ...(best ? { suggestedStrength: best.strength, validation: path.basename(validation?.file ?? '') } : {}) },
        data: { name: path.basename(pairsFile), items: pairs.pairs.length, hash: pairsHash(pairs.pairs) },
        model: identityOf(folder, { layers: count, hidden: width }), tokens: LAST_TOKENS, strength: STRENGTH_MEANING, seed: settings.seed,
      },
    };
    this.write(out, written);
    return outcome(out, written, states.grains, search);
  }

  private model(location: string): { readonly folder: ModelFolder; readonly tokenizer: Tokenizer; readonly width: number; readonly count: number; readonly mask: number } {
    const opened = openModelFolder(location, { variant: this.args.values['variant'] });
    if (!opened.ok) throw new UsageError(opened.problem.message);
    const { folder } = opened;
    const tokenizer = folderTokenizer(folder);
    if (!tokenizer.ok) throw new UsageError(tokenizer.fault.message);
    const sites = residualSites(folder);
    if (!sites.ok) throw new UsageError(sites.message);
    const mask = maskToken(tokenizer.value, folder);
    if (mask === null) throw new UsageError(`${folder.name} has no token that could hide others: config.json names neither pad_token_id nor eos_token_id. Add pad_token_id there.`);
    return { folder, tokenizer: tokenizer.value, width: sites.width, count: sites.sites.length, mask };
  }

  private async pairs(file: string, folder: ModelFolder, tokenizer: Tokenizer): Promise<Pairs> {
    const read = readContrastPairs(textOf(file));
    if (!read.ok) throw badRows(file, read.faults);
    const images = await this.imagesOf(read.pairs, file, folder);
    const inTokens = read.pairs.map((pair, i) => tokenPair(tokenizer, folder, pair, images[i]));
    const faults = inTokens.flatMap((pair, i) => {
      const message = pairFault(pair, folder.sizes.context);
      return message === null ? [] : [{ line: read.lines[i] ?? 0, message }];
    });
    if (faults.length > 0) throw badRows(file, faults);
    return { file, pairs: read.pairs, inTokens };
  }

  private async imagesOf(pairs: readonly ContrastPair[], file: string, folder: ModelFolder): Promise<readonly (Awaited<ReturnType<VisionEncoder['encode']>> | undefined)[]> {
    if (pairs.every(({ image }) => image === undefined)) return [];
    const opened = await openVisionEncoder(this.host, folder);
    if (!opened.ok) throw new UsageError(opened.fault.message);
    const features = [];
    for (const { image } of pairs) {
      const read = image === undefined ? undefined : readImage(path.resolve(path.dirname(file), image));
      if (read && !read.ok) throw new UsageError(read.message);
      features.push(read ? await opened.encoder.encode(read.image) : undefined);
    }
    await opened.encoder.release();
    return features;
  }

  /** The layers and the strength with which most validation pairs go as preferred. */
  private async searched(folder: ModelFolder, made: Pick<SteeringVector, 'layers'>, pairs: readonly TokenPair[]): Promise<Searched> {
    const opened = await SteeredModel.open(this.host, folder);
    if (!opened.ok) throw new UsageError(opened.message);
    const { steered } = opened;
    const items = new PreparedItems(steered, pairs.flatMap(({ prompt, preferred, dispreferred }) => [preferred, dispreferred].map((continuation) => ({ prompt: prompt.ids, embeddings: prompt.embeddings, continuation }))));
    const ranges = layerRanges(steered.stream.layers).filter((range) => range.every((layer) => made.layers.some((own) => own.layer === layer)));
    try {
      const { best, unsteered } = await searchSetting(settingsOf(ranges), async ({ layers, strength }) => figuresOf(await items.score(steered.amounts(strength === 0 ? [] : [{ vector: made, strength, layers }]), this.environment.token)), { token: this.environment.token, onProgress: (done, of) => this.progress.show(`tries setting ${done} of ${of}`) });
      return { best, unsteered };
    } finally {
      this.progress.end();
      await items.release();
      await steered.release();
    }
  }

  private write(out: string, made: SteeringVector): void {
    try {
      writeVectorFile(out, made);
    } catch (error) {
      throw new UsageError(`“${out}” cannot be written: ${error instanceof Error ? error.message : String(error)}.`);
    }
  }
}

/** Of scores in turns: preferred, dispreferred. */
function figuresOf(scores: readonly { readonly logProbability: number }[]): SettingFigures {
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const at = (place: number): number => scores[place]?.logProbability ?? Number.NaN;
  const preferred = Array.from({ length: scores.length / 2 }, (_, i) => at(2 * i));
  const margins = preferred.map((value, i) => value - at(2 * i + 1));
  return { rate: mean(margins.map((margin) => (margin > 0 ? 1 : 0))), margin: mean(margins), likelihood: mean(preferred) };
}

const settingsFrom = (values: ParsedArguments['values']) => ({
  mode: choice(values, 'mode', vectorModes, 'both'),
  direction: choice(values, 'direction', directionMethods, 'pca'),
  method: choice(values, 'method', ['ig', 'idgi', 'gradxact', 'smoothgrad'] as const, 'ig'),
  baseline: choice(values, 'baseline', ['zero', 'pad', 'mean'] as const, 'zero'),
  steps: wholeNumber(values, 'steps', 20, 1, 10_000),
  size: wholeNumber(values, 'k', DEFAULT_SET_SIZE, 1, 10_000),
  seed: wholeNumber(values, 'seed', 1, 0, 2 ** 32 - 1),
});

function layersFrom(text: string, count: number): readonly number[] {
  const read = readLayers(text, count);
  if (!read.ok) throw new UsageError(read.message);
  return read.layers;
}

function textOf(file: string): string {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (!stat?.isFile()) throw new UsageError(`There is no file “${file}”. Give JSON lines of {"prompt": "…", "preferred": "…", "dispreferred": "…"}.`);
  if (stat.size > MAX_PAIRS_BYTES) throw new UsageError(`“${file}” is larger than ${MAX_PAIRS_BYTES / 2 ** 20} MiB, too large for a file of pairs.`);
  return readFileSync(file, 'utf8');
}

function badRows(file: string, faults: readonly { readonly line: number; readonly message: string }[]): UsageError {
  const shown = faults.slice(0, SHOWN_FAULTS).map(({ line, message }) => `${file}, line ${line}: ${message}`);
  return new UsageError([...shown, ...(faults.length > SHOWN_FAULTS ? [`… and ${faults.length - SHOWN_FAULTS} more lines.`] : [])].join('\n'));
}

function refuseShared({ pairs }: Pairs, validation: Pairs): void {
  const shared = validation.pairs.find(({ prompt }) => pairs.some((pair) => pair.prompt === prompt));
  if (shared) throw new UsageError(`${validation.file} has a prompt that the vector is made from: ${JSON.stringify(shared.prompt.slice(0, 80))}. Layers and strength are chosen on other pairs: take it out of one of the two files.`);
}

function outcome(file: string, { layers, provenance }: SteeringVector, { states, incomplete }: GrainsStates, search: Searched | null): Outcome {
  const agree = { positive: agreement(differenceSet(states.whole, states.masked.positive)), negative: agreement(differenceSet(states.whole, states.masked.negative)) };
  const row = (layer: number, norm: number) => ({ layer, norm, agreement: { positive: agree.positive[layer] ?? 0, negative: agree.negative[layer] ?? 0 } });
  const rows = layers.map(({ layer, norm }) => row(layer, norm));
  const warnings = incomplete ? [`The attribution of ${incomplete} of ${provenance.data.items} pairs leaves more than 5 % unexplained: give --refine, or another --baseline.`] : [];
  const chosen = search && (search.best.strength === 0 ? ['On the validation pairs no setting is better than no steering.'] : [`Best on the validation pairs: strength ${search.best.strength} at the layers ${layersText(search.best.layers)}, ${percent(search.unsteered.rate)} → ${percent(search.best.rate)} as preferred. Use: --steer ${file}:${search.best.strength}`]);
  return {
    exitCode: 0,
    json: { vector: file, provenance, layers: rows, validation: search, warnings },
    lines: [
      ...tableLines([['layer', 'mean norm', 'agreement of S⁺', 'of S⁻'], ...rows.map(({ layer, norm, agreement: { positive, negative } }) => [String(layer), norm.toFixed(2), positive.toFixed(3), negative.toFixed(3)])]),
      `${file}: ${provenance.method} from ${provenance.data.items} pairs for ${provenance.model.name}, layers ${layersText(layers.map(({ layer }) => layer))}; ${provenance.strength}`,
      ...(chosen ?? []), ...warnings,
    ],
  };
}

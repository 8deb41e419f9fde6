// What a language model is and can do, as its files say it: for a page, or a list.
import { statSync } from 'node:fs';
import path from 'node:path';
import type { ModelFolder } from './folder.ts';
import type { ModelInterface } from './interface.ts';
import { folderTokenizer } from './languageModel.ts';
import { countParameters } from './parameters.ts';
import type { Site, SitesResult } from './sites.ts';
import { findSites } from './sites.ts';
import type { Tokenizer } from './tokenizer.ts';
import type { Checked } from './tokenizerFile.ts';
import { nodesOnPath } from '../onnx/differentiate.ts';
import { fusedExpansion } from '../onnx/expand.ts';
import type { Graph } from '../onnx/graph.ts';
import { rules } from '../onnx/rules.ts';
import { OpsetError, upgradeOpset } from '../onnx/upgrade.ts';
import type { Ability, ModelFacts, SiteRow, SizedFile } from '../shared/modelMessages.ts';

const abilityOf = (works: boolean, why: string): Ability => ({ works, why });

/** Reads the graph's nodes and the folder's JSON files; nothing is loaded into the runtime. `budget`: bytes that open models may take. */
export function factsOf(folder: ModelFolder, budget: number): ModelFacts {
  const { sizes, file, io, variant } = folder;
  const { total, types } = countParameters(file.graph);
  const found = findSites(file.graph);
  const tokenizer = folderTokenizer(folder);
  const cachePerToken = cacheBytes(io, 1) - cacheBytes(io, 0);
  return {
    path: folder.path, name: folder.name, family: folder.family, layout: folder.layout,
    variant: variant.name,
    variants: folder.variants.map(({ name, bytes }) => ({ name, bytes })),
    layers: sizes.layers, hidden: sizes.hidden, heads: sizes.heads, keyValueHeads: sizes.keyValueHeads, vocabulary: sizes.vocabulary, context: sizes.context,
    parameters: total, types,
    files: filesOf(folder),
    sites: found.ok ? found.sites.map(siteRow) : [],
    missing: found.ok ? found.missing : [found.message],
    gradients: gradientAbility(file.graph, found),
    images: imageAbility(folder),
    chat: chatAbility(tokenizer),
    tokenizer: tokenizer.ok ? abilityOf(true, 'Every token keeps its place in the text.') : abilityOf(false, tokenizer.fault.message),
    memory: { weights: variant.bytes, cachePerToken, cache: sizes.context === null ? null : cacheBytes(io, sizes.context), budget },
  };
}

const siteRow = ({ name, node, op, shape, type }: Site): SiteRow => ({ name, node, op, shape: `[${shape.join(', ')}]`, type: type ?? 'unknown' });

function filesOf({ path: folder, variant, tokenizer, vision }: ModelFolder): readonly SizedFile[] {
  const wanted = ['config.json', 'genai_config.json', 'generation_config.json'].map((name) => path.join(folder, name));
  const parts = [...wanted, tokenizer.tokenizer, tokenizer.config, tokenizer.chatTemplate, vision?.visionEncoder, vision?.embedTokens, vision?.preprocessor];
  const small = parts.flatMap((file) => {
    const size = typeof file === 'string' ? statSync(file, { throwIfNoEntry: false })?.size : undefined;
    return typeof file === 'string' && size !== undefined ? [{ name: relative(folder, file), bytes: size }] : [];
  });
  return [{ name: relative(folder, variant.path), bytes: variant.bytes }, ...small];
}

const relative = (folder: string, file: string): string => path.relative(folder, file).split(path.sep).join('/');

const bytesOfType: Readonly<Record<string, number>> = { float32: 4, float16: 2, float64: 8, int64: 8, int32: 4 };

/** Keys and values of `length` tokens, one sequence; what has a size of its own counts too. */
function cacheBytes({ cache }: ModelInterface, length: number): number {
  return cache.reduce((sum, { type, dims }) => {
    const elements = dims.reduce<number>((size, dim) => size * (dim === 'batch' ? 1 : dim === 'past' ? length : dim), 1);
    return sum + elements * (bytesOfType[type] ?? 1);
  }, 0);
}

/** Whether the logits can be differentiated by the embedding: every operator between needs a rule, or an expansion into such. */
function gradientAbility(graph: Graph, found: SitesResult): Ability {
  const embed = found.ok ? found.sites.find(({ kind, value }) => kind === 'embed' && value !== '') : undefined;
  if (!embed) return abilityOf(false, `No place to differentiate by: ${found.ok ? 'the graph has no embedding of its own' : found.message}.`);
  try {
    const lacking = nodesOnPath(upgradeOpset(graph), 'logits', [embed.value]).filter((node) => fusedExpansion(node) === undefined && !(node.domain === '' && node.op in rules));
    const names = [...new Set(lacking.map(({ op, domain }) => (domain === '' ? op : `${domain}.${op}`)))];
    if (names.length === 0) return abilityOf(true, 'Every operator between the embedding and the logits has a derivative.');
    return abilityOf(false, `These operators have no derivative here: ${names.join(', ')}. Another export of the model (float32, standard operators) may have none of them.`);
  } catch (error) {
    if (error instanceof OpsetError) return abilityOf(false, error.message);
    throw error;
  }
}

function imageAbility({ vision, tokens }: ModelFolder): Ability {
  if (!vision) return abilityOf(false, 'It reads text only: there is no vision_encoder beside the decoder.');
  if (tokens.image === null) return abilityOf(false, 'A vision_encoder is there, but the configuration names no image token.');
  return vision.preprocessor === null ? abilityOf(false, 'A vision_encoder is there, but no preprocessor_config.json says how images are prepared.') : abilityOf(true, 'A vision_encoder and embed_tokens lie beside the decoder.');
}

function chatAbility(tokenizer: Checked<Tokenizer>): Ability {
  if (!tokenizer.ok) return abilityOf(false, 'The tokenizer cannot be read.');
  const rendered = tokenizer.value.renderChat([{ role: 'user', content: '…' }]);
  return rendered.ok ? abilityOf(true, `A message becomes ${JSON.stringify(rendered.value)}.`) : abilityOf(false, rendered.fault.message);
}

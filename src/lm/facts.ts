// What a language model is and can do, as its files say it: for a page, or a list.
import { statSync } from 'node:fs';
import path from 'node:path';
import type { ModelFolder } from './folder.ts';
import { gradientsOf } from './gradientSupport.ts';
import type { ModelInterface } from './interface.ts';
import { folderTokenizer } from './languageModel.ts';
import { countParameters } from './parameters.ts';
import type { Site } from './sites.ts';
import { findSites } from './sites.ts';
import type { Tokenizer } from './tokenizer.ts';
import type { Checked } from './tokenizerFile.ts';
import { byteSize } from '../onnx/decodeTensor.ts';
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
    gradients: gradientsOf(folder),
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

/** Keys and values of `length` tokens, one sequence; what has a size of its own counts too. */
function cacheBytes({ cache }: ModelInterface, length: number): number {
  return cache.reduce((sum, { type, dims }) => sum + byteSize(type, dims.map((dim) => (dim === 'batch' ? 1 : dim === 'past' ? length : dim))), 0);
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

// gradlens models list and sites: which language models there are, and where one's residual stream can be read and written.
import { statSync } from 'node:fs';
import path from 'node:path';
import type { Outcome } from './outcome.ts';
import { tableLines } from './table.ts';
import type { ParsedArguments } from './usage.ts';
import { UsageError } from './usage.ts';
import type { ModelFolder } from '../lm/folder.ts';
import { openModelFolder } from '../lm/folder.ts';
import { gradientsOf } from '../lm/gradientSupport.ts';
import type { FoundModel } from '../lm/modelList.ts';
import { findModels } from '../lm/modelList.ts';
import { modelsFolder } from '../lm/modelsFolder.ts';
import type { Site } from '../lm/sites.ts';
import { findSites } from '../lm/sites.ts';
import { sizeText } from '../shared/sizeText.ts';

/** `positionals`: the folders to look in; none: where downloads go. @throws UsageError */
export function modelsList({ positionals }: ParsedArguments): Outcome {
  const roots = positionals.length > 0 ? positionals : [modelsFolder()];
  for (const root of positionals) {
    if (!statSync(root, { throwIfNoEntry: false })?.isDirectory()) throw new UsageError(`There is no folder “${root}”. Give a folder that holds models, or a model's own.`);
  }
  const found = roots.flatMap(findModels);
  return { exitCode: 0, json: { folders: roots.map((root) => path.resolve(root)), models: found.map(jsonModel) }, lines: listLines(found, roots) };
}

function jsonModel({ path: folder, result }: FoundModel): unknown {
  if (!result.ok) return { path: folder, problem: result.problem };
  const { name, layout, family, sizes, tokens, variants, vision } = result.folder;
  return { path: folder, name, layout, family, sizes, tokens, variants, vision: vision !== null };
}

function listLines(found: readonly FoundModel[], roots: readonly string[]): readonly string[] {
  if (found.length === 0) return [`No language models in ${roots.join(', ')}. “gradlens models download onnx-community/SmolLM2-135M-ONNX” brings one.`];
  const usable = found.flatMap(({ result }) => (result.ok ? [result.folder] : []));
  const problems = found.flatMap(({ result }) => (result.ok ? [] : [`cannot be used: ${result.problem.message}`]));
  const rows = usable.map((folder) => [folder.name, folder.family, ...sizeCells(folder), variantText(folder), folder.path]);
  const header = ['model', 'family', 'layers', 'hidden', 'vocabulary', 'context', 'variants', 'folder'];
  return [...(rows.length > 0 ? tableLines([header, ...rows]) : []), ...problems];
}

const sizeCells = ({ sizes: { layers, hidden, vocabulary, context } }: ModelFolder): string[] =>
  [layers, hidden, vocabulary, context].map((size) => (size === null ? '–' : String(size)));

const variantText = ({ variants }: ModelFolder): string => variants.map(({ name, bytes }) => `${name} ${sizeText(bytes)}`).join(', ');

/** `positionals`: the model's folder, or an .onnx file in it. @throws UsageError */
export function modelsSites({ positionals, values }: ParsedArguments): Outcome {
  const [location, ...more] = positionals;
  if (location === undefined) throw new UsageError('Which model? Give its folder, or an .onnx file in it: gradlens models sites models/NAME');
  if (more.length > 0) throw new UsageError(`One model at a time: “${more[0] ?? ''}” is too many.`);
  const opened = openModelFolder(location, { variant: values['variant'] });
  if (!opened.ok) throw new UsageError(opened.problem.message);
  const { folder } = opened;
  const model = { path: folder.path, graph: folder.variant.path, family: folder.family, sizes: folder.sizes };
  const found = findSites(folder.file.graph);
  if (!found.ok) return { exitCode: 1, json: { model, sites: [], problem: found.message }, lines: [`${folder.variant.path}: ${found.message}.`] };
  const gradients = gradientsOf(folder);
  return {
    exitCode: 0,
    json: { model, sites: found.sites.map(jsonSite), missing: found.missing, gradients },
    lines: [
      `${folder.name} (${folder.family}, ${folder.variant.name}): ${found.sites.length} sites`,
      ...tableLines([['site', 'shape', 'type', 'operator', 'node'], ...found.sites.map(siteCells)]),
      ...found.missing.map((reason) => `missing: ${reason}`),
      `Gradients: ${gradients.works ? 'yes' : `no. ${gradients.why}`}`,
    ],
  };
}

const jsonSite = ({ name, layer, node, op, value, shape, type }: Site): unknown => ({ site: name, layer, node, op, value: value === '' ? null : value, shape, dtype: type ?? null });

const siteCells = ({ name, shape, type, op, node }: Site): string[] => [name, `[${shape.join(', ')}]`, type ?? '?', op, node];

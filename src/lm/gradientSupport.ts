// Whether a model can be differentiated, and if not why, as its graph says it before anything runs.
import type { ModelFolder } from './folder.ts';
import { promptFeeds } from './interface.ts';
import { findSites } from './sites.ts';
import { targetValues, withTarget } from './target.ts';
import { nodesOnPath } from '../onnx/differentiate.ts';
import { fusedExpansion } from '../onnx/expand.ts';
import type { GraphNode } from '../onnx/graph.ts';
import { refusalReason } from '../onnx/refusals.ts';
import { rules } from '../onnx/rules.ts';
import { OpsetError } from '../onnx/upgrade.ts';
import type { Ability } from '../shared/modelMessages.ts';

/** Everything that `gradientsOf` looks at. */
export type GraphAndInterface = Pick<ModelFolder, 'file' | 'io'>;

/**
 * Can the logits be differentiated by the embeddings? Every operator between needs a derivative, or an expansion into
 * such. A fused operator that is used in a way its expansion does not cover is found by `openDerivatives` alone.
 */
export function gradientsOf(model: GraphAndInterface): Ability {
  try {
    const reason = refusal(model);
    return reason === null ? { works: true, why: 'Every operator between the embedding and the logits has a derivative.' } : { works: false, why: reason };
  } catch (error) {
    if (error instanceof OpsetError) return { works: false, why: error.message };
    throw error;
  }
}

function refusal(model: GraphAndInterface): string | null {
  const { graph } = model.file;
  const found = findSites(graph);
  if (!found.ok) return `No place to differentiate by: ${found.message}.`;
  const embed = found.sites.find(({ kind, value }) => kind === 'embed' && value !== '');
  if (!embed) return 'No place to differentiate by: the graph has no embedding of its own.';
  const input = unknownInput(model);
  if (input !== null) return `It wants an input “${input}” that derivatives do not know. Give a variant that is exported for text generation alone.`;
  const target = withTarget(graph, 'logits');
  // An operator that gives the embedding out may read it inside as well, and is then written out.
  const producer = target.nodes.find((node) => node.outputs.includes(embed.value) && fusedExpansion(node) !== undefined);
  const path = nodesOnPath(target, targetValues.logits, [embed.value, ...(producer?.outputs ?? [])]);
  if (path.length === 0) return 'Every way from the embedding to the logits passes through whole numbers, which change in steps. Use a variant whose activations are floats (fp32, fp16, or q4 with MatMulNBits).';
  const lacking = path.filter((node) => fusedExpansion(node) === undefined && !(node.domain === '' && Object.hasOwn(rules, node.op)));
  return lacking.length === 0 ? null : lackText(lacking);
}

/** An input that `promptFeeds` has nothing for; null if there is none. */
export function unknownInput({ io, file }: GraphAndInterface): string | null {
  const known = promptFeeds(io, [[0]]);
  return file.graph.inputs.find(({ name }) => name !== io.embeds?.name && !Object.hasOwn(known, name))?.name ?? null;
}

/** Each operator once, with the first node that has it and what is to be done where that is known. */
function lackText(lacking: readonly GraphNode[]): string {
  const byName = new Map<string, GraphNode>();
  for (const node of lacking) {
    const name = node.domain === '' ? node.op : `${node.domain}.${node.op}`;
    if (!byName.has(name)) byName.set(name, node);
  }
  const names = [...byName].map(([name, node]) => `${name} (${node.name ?? node.outputs[0] ?? ''})`);
  const known = [...byName].flatMap(([name, node]) => {
    const reason = refusalReason(node);
    return reason === undefined ? [] : [`${name}: ${reason}.`];
  });
  const advice = known.length > 0 ? known.join(' ') : 'Another export of the model (float32, standard operators) may have none of them.';
  return `${names.length === 1 ? 'This operator has' : 'These operators have'} no derivative here: ${names.join(', ')}. ${advice}`;
}

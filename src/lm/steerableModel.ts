// A model folder's decoder with sites that can be written to at any token, at no cost in the tokens where nothing is.
import type { WriteOptions } from './edits.ts';
import { readSites } from './edits.ts';
import type { ModelFolder } from './folder.ts';
import { folderDecoder } from './languageModel.ts';
import type { DecoderModel } from './session.ts';
import type { Site } from './sites.ts';
import type { WritableSites } from './writableSites.ts';
import { steeringInputs, writableSites } from './writableSites.ts';
import type { Graph } from '../onnx/graph.ts';

export interface SteerableModel extends WritableSites {
  /** For `openDecoder`. Every pass feeds the `steeringInputs`. */
  readonly model: DecoderModel;
}

export interface SteerableOptions extends WriteOptions {
  /** Sites that can be read as well, as they are after what is written. */
  readonly reads?: readonly Site[];
}

/**
 * The decoder with `writableSites`: strengths, vectors and masks are inputs, so what steers changes from one token to the
 * next without a new session. In passes whose strengths, vectors or masks are all 0 the graph without writes runs, on the
 * same cache. Give the sites that vectors are for: each place costs a sum in the passes that are steered.
 * @throws RangeError where a site's width is not known
 */
export function steerableModel(folder: ModelFolder, sites: readonly Site[], { reads = [], ...options }: SteerableOptions = {}): SteerableModel {
  const { graph: original } = folder.file;
  const written = writableSites(original, sites, options);
  const withReads = (graph: Graph): Graph => (reads.length === 0 ? graph : readSites(graph, reads));
  const graph = withReads(written.graph);
  const rest = { source: folderDecoder(folder, reads.length === 0 ? undefined : withReads(original)).source, inputs: Object.values(steeringInputs) };
  return { ...written, graph, model: { ...folderDecoder(folder, graph), rest } };
}

// A decoder with sites that can be written to at any token, at no cost in the tokens where nothing is.
import type { WriteOptions } from './edits.ts';
import { readSites } from './edits.ts';
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
 * @param decoder the decoder as it is, and with an edit of its graph: `(edit) => folderDecoder(folder, edit)`
 * @throws RangeError where a site's width is not known
 */
export function steerableModel(decoder: (edit?: Graph) => DecoderModel, sites: readonly Site[], { reads = [], ...options }: SteerableOptions = {}): SteerableModel {
  const plain = decoder();
  const written = writableSites(plain.graph, sites, options);
  if (reads.length === 0) return withRest(written, decoder(written.graph), plain);
  const graph = readSites(written.graph, reads);
  return withRest({ ...written, graph }, decoder(graph), decoder(readSites(plain.graph, reads)));
}

const withRest = (written: WritableSites, model: DecoderModel, plain: DecoderModel): SteerableModel =>
  ({ ...written, model: { ...model, rest: { source: plain.source, inputs: Object.values(steeringInputs) } } });

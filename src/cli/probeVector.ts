// gradlens vector probe: the direction of a probe as a steering vector.
import type { Outcome } from './outcome.ts';
import { modelOf, probeOf } from './probe.ts';
import type { ParsedArguments } from './usage.ts';
import { UsageError } from './usage.ts';
import type { Probe } from '../probes/probe.ts';
import { directionOf } from '../probes/probe.ts';
import type { SteeringVector } from '../steering/steeringVector.ts';
import { identityOf, STRENGTH_MEANING } from '../steering/steeringVector.ts';
import { writeVectorFile } from '../steering/vectorFile.ts';

/** @throws UsageError */
export function probeVector(args: ParsedArguments): Outcome {
  const { out } = args.values;
  if (out === undefined) throw new UsageError('Where to? Give the file that the vector is written to: -o FILE.safetensors.');
  const { folder } = modelOf(args);
  const probe = probeOf(args, folder);
  const layer = Number(/^layers\.(\d+)\.resid_post$/.exec(probe.site)?.[1] ?? Number.NaN);
  if (Number.isNaN(layer)) throw new UsageError(`The probe reads ${probe.site}, and vectors steer after a layer. Train a probe with --site resid_post.`);
  const made = vectorOf(probe, layer, identityOf(folder, { layers: folder.sizes.layers ?? layer + 1, hidden: probe.model.hidden }));
  try {
    writeVectorFile(out, made);
  } catch (error) {
    throw new UsageError(`“${out}” cannot be written: ${error instanceof Error ? error.message : String(error)}.`);
  }
  return {
    exitCode: 0,
    json: { vector: out, provenance: made.provenance, layer },
    lines: [`${out}: the direction of a probe of ${folder.name} at layer ${layer}; ${STRENGTH_MEANING}. A positive strength makes a text less supported by its context, a negative one more, as far as the probe tells: see its figures in ${args.values['probe'] ?? 'the probe'}.`],
  };
}

function vectorOf(probe: Probe, layer: number, model: SteeringVector['provenance']['model']): SteeringVector {
  const { data, l2, site, seed, meanNorm } = probe;
  return {
    layers: [{ layer, direction: Float32Array.from(directionOf(probe)), norm: meanNorm }],
    provenance: { method: 'probe', settings: { site, l2 }, data, model, tokens: 'final token of each statement', strength: STRENGTH_MEANING, seed },
  };
}

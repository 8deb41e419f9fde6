// A steering vector: a direction for each of some layers, with what it was made of and which models it fits.
import { modelFingerprint } from '../lm/fingerprint.ts';
import type { ModelFolder } from '../lm/folder.ts';

/** What a vector adds to one layer: strength α adds α · norm · direction to `layers.{layer}.resid_post`. */
export interface LayerDirection {
  /** From 0. */
  readonly layer: number;
  /** Unit vector [hidden]. */
  readonly direction: Float32Array;
  /** Mean norm of the residual at this layer, over the states that the vector was made of. */
  readonly norm: number;
}

export interface ModelIdentity {
  readonly name: string;
  /** `model_type` of its configuration. */
  readonly family: string;
  readonly variant: string;
  readonly layers: number;
  readonly hidden: number;
  /** Of the graph's file and its weights: see `modelFingerprint`. */
  readonly fingerprint: string;
}

/** How a vector came about. */
export interface Provenance {
  /** grains, caa, random, … */
  readonly method: string;
  /** The method's settings, by name. */
  readonly settings: Readonly<Record<string, string | number | boolean>>;
  readonly data: { readonly name: string; readonly items: number; readonly hash: string };
  readonly model: ModelIdentity;
  /** At which tokens the states were read. */
  readonly tokens: string;
  /** What a strength of 1 does. */
  readonly strength: string;
  readonly seed: number;
}

export interface SteeringVector {
  /** By layer, each once. */
  readonly layers: readonly LayerDirection[];
  readonly provenance: Provenance;
}

export const STRENGTH_MEANING = 'a strength of 1 adds the unit direction times the mean norm of the residual at that layer, then each token is rescaled to its own norm';
export const LAST_TOKENS = 'last token of prompt and response';

/** Whether a vector can steer a model; warnings are for the user to weigh. */
export type Fit = { readonly ok: true; readonly warnings: readonly string[] } | { readonly ok: false; readonly message: string };

/** @param name what the message calls the vector, such as its file */
export function fitOf({ layers, provenance: { model: own } }: SteeringVector, model: ModelIdentity, name: string): Fit {
  const made = `It was made for ${own.name} (${own.family}, ${own.layers} layers, ${own.hidden} wide)`;
  const wide = layers.find(({ direction }) => direction.length !== model.hidden);
  if (own.hidden !== model.hidden || wide) return refused(`${name} does not fit ${model.name}: its directions are ${wide?.direction.length ?? own.hidden} numbers wide, the model's residual stream ${model.hidden}. ${made}. Make a vector for this model.`);
  if (own.layers !== model.layers) return refused(`${name} does not fit ${model.name}, which has ${model.layers} layers. ${made}. Make a vector for this model.`);
  const beyond = layers.find(({ layer }) => layer >= model.layers);
  if (beyond) return refused(`${name} steers layer ${beyond.layer}, and ${model.name} has the layers 0 to ${model.layers - 1}. Make the vector anew.`);
  const warnings = own.fingerprint === model.fingerprint ? [] : [`${name} was made from other weights than those of ${model.name} (${own.name}, variant ${own.variant}; here variant ${model.variant}). Its sizes fit; what it does may differ.`];
  return { ok: true, warnings };
}

const refused = (message: string): Fit => ({ ok: false, message });

/** The open variant of a model's folder; `layers` and `hidden` are its residual stream's. */
export function identityOf({ name, family, variant, file }: Pick<ModelFolder, 'name' | 'family' | 'variant' | 'file'>, { layers, hidden }: { readonly layers: number; readonly hidden: number }): ModelIdentity {
  return { name, family, variant: variant.name, layers, hidden, fingerprint: modelFingerprint({ file }) };
}

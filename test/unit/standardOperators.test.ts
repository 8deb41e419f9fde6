// ONNX's own fused operators: each equals its expansion in simpler ops, whose gradient agrees with differences.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { expansions } from '../../src/onnx/expand.ts';
import type { Expansion } from '../../src/onnx/expand/expander.ts';
import type { Attribute, Tensor } from '../../src/onnx/graph.ts';
import { elementCount } from '../../src/onnx/graph.ts';
import { Random } from '../../src/shared/random.ts';
import type { FusedCase, FusedInput } from '../support/expansionCheck.ts';
import { checkExpandedGradient, checkExpansion, constant, expansionRefusal, floats, ints } from '../support/expansionCheck.ts';

interface Drawn {
  readonly batch: number;
  readonly queries: number;
  readonly keys: number;
  readonly past: number;
  readonly groups: number;
  /** Heads of queries for each of keys. */
  readonly share: number;
  readonly size: number;
  readonly channels: number;
  readonly random: Random;
}

const oneTo = (max: number): fc.Arbitrary<number> => fc.integer({ min: 1, max });

const drawn: fc.Arbitrary<Drawn> = fc
  .record({ batch: oneTo(2), queries: oneTo(3), keys: oneTo(4), past: oneTo(3), groups: oneTo(2), share: oneTo(2), size: oneTo(3), channels: oneTo(3), seed: fc.nat(1e6) })
  .map(({ seed, ...sizes }) => ({ ...sizes, random: new Random(seed) }));

type Attributes = Readonly<Record<string, Attribute>>;
type Cases = Readonly<Record<string, (at: Drawn) => FusedCase>>;

const float = (value: number): Attribute => ({ float: value });
const whole = (random: Random, count: number, below: number): number[] => Array.from({ length: count }, () => Math.floor(below * random.next()));
const truths = (random: Random, ...dims: readonly number[]): Tensor =>
  ({ type: 'bool', dims, data: Uint8Array.from({ length: elementCount(dims) }, () => Number(random.next() < 0.6)) });

const OUTPUTS = [true, true, true];

/** The mask's shape, from batch, heads, queries and all keys. */
type MaskDims = (batch: number, heads: number, queries: number, keys: number) => readonly number[];

interface Form {
  readonly attributes?: Attributes;
  readonly isFlat?: boolean;
  readonly hasPast?: boolean;
  readonly mask?: MaskDims;
  readonly isBoolean?: boolean;
}

const attention = ({ attributes = {}, isFlat = false, hasPast = false, mask, isBoolean = false }: Form) => (at: Drawn): FusedCase => {
  const { batch, queries, groups, share, size, random } = at;
  // Where there are more new keys than queries, ONNX Runtime's last query sees them all, and the standard's does not.
  const keys = attributes.is_causal ? queries : at.keys;
  const heads = groups * share;
  const value = (count: number, length: number, width: number): FusedInput => (isFlat ? floats(batch, length, count * width) : floats(batch, count, length, width));
  const all = keys + (hasPast ? at.past : 0);
  const dims = mask?.(batch, heads, queries, all);
  const states = [floats(batch, groups, at.past, size), floats(batch, groups, at.past, size + 1)];
  return {
    op: 'Attention', domain: '', opset: 23, outputs: hasPast ? OUTPUTS : [true],
    attributes: { ...attributes, ...(isFlat ? { q_num_heads: heads, kv_num_heads: groups } : {}) },
    inputs: [
      value(heads, queries, size), value(groups, keys, size), value(groups, keys, size + 1),
      dims ? (isBoolean ? truths(random, ...dims) : floats(...dims)) : null, ...(hasPast ? states : []),
    ],
  };
};

const shared: MaskDims = (_batch, _heads, queries, keys) => [queries, keys];
const ofHeads: MaskDims = (_batch, heads, queries, keys) => [heads, queries, keys];
const ofOneHead: MaskDims = (_batch, _heads, queries, keys) => [1, queries, keys];
const ofBatch: MaskDims = (batch, _heads, queries, keys) => [batch, 1, queries, keys];
const ofAll: MaskDims = (batch, heads, queries, keys) => [batch, heads, queries, keys];

const attentions: Cases = {
  'Attention': attention({}),
  'Attention of three axes': attention({ isFlat: true }),
  'Attention, causal': attention({ attributes: { is_causal: 1 } }),
  'Attention with another scale and a soft cap': attention({ attributes: { scale: float(0.3), softcap: float(0.7) } }),
  'Attention with past and present': attention({ hasPast: true }),
  'Attention of three axes with past and present, causal': attention({ isFlat: true, hasPast: true, attributes: { is_causal: 1 } }),
  'Attention with a mask of truths': attention({ mask: shared, isBoolean: true }),
  'Attention with a mask of truths for each head': attention({ mask: ofAll, isBoolean: true }),
  'Attention with a mask to add': attention({ mask: shared }),
  'Attention with a mask to add for each head': attention({ mask: ofHeads }),
  'Attention with a mask to add for one head': attention({ mask: ofOneHead }),
  'Attention with a mask to add for each sequence': attention({ mask: ofBatch }),
  'Attention of three axes with a mask to add for each sequence and head, after a past': attention({ isFlat: true, hasPast: true, mask: ofAll }),
  'Attention with a mask of truths and causal, after a past': attention({ hasPast: true, mask: ofBatch, isBoolean: true, attributes: { is_causal: 1 } }),
};

const ROWS = 5;

const rotary = (isFlat: boolean, hasPositions: boolean, attributes: Attributes = {}) => ({ batch, queries, groups, random }: Drawn): FusedCase => {
  const half = Number(attributes.rotary_embedding_dim ?? 8) / 2;
  const table = hasPositions ? floats(ROWS, half) : floats(batch, queries, half);
  return {
    op: 'RotaryEmbedding', domain: '', opset: 23, attributes: { ...attributes, ...(isFlat ? { num_heads: groups } : {}) },
    inputs: [isFlat ? floats(batch, queries, 8 * groups) : floats(batch, groups, queries, 8), table, table, ...(hasPositions ? [ints([batch, queries], whole(random, batch * queries, ROWS), 'int64')] : [])],
  };
};

const rotaries: Cases = {
  'RotaryEmbedding': rotary(false, true),
  'RotaryEmbedding of three axes': rotary(true, true),
  'RotaryEmbedding without positions': rotary(false, false),
  'RotaryEmbedding of three axes without positions, interleaved': rotary(true, false, { interleaved: 1 }),
  'RotaryEmbedding, interleaved': rotary(false, true, { interleaved: 1 }),
  'RotaryEmbedding of a part of each head': rotary(false, true, { rotary_embedding_dim: 4 }),
};

const image = ({ batch, channels, queries, keys }: Drawn): FusedInput => floats(batch, channels, queries + 1, keys + 1);
const positives = (random: Random, count: number): Tensor => constant([count], Array.from({ length: count }, () => 0.3 + random.next()));

const normalisations: Cases = {
  'InstanceNormalization': (at) => ({ op: 'InstanceNormalization', domain: '', inputs: [image(at), floats(at.channels), floats(at.channels)], attributes: { epsilon: float(0.125) } }),
  'GroupNormalization': ({ batch, channels, queries, keys }) => ({
    op: 'GroupNormalization', domain: '', attributes: { num_groups: 2, epsilon: float(0.125) },
    inputs: [floats(batch, 2 * channels, queries, keys), floats(2 * channels), floats(2 * channels)],
  }),
  'GroupNormalization with a scale for each group': ({ batch, channels, queries, keys }) => ({
    op: 'GroupNormalization', domain: '', opset: 18, attributes: { num_groups: 2, epsilon: float(0.125) },
    inputs: [floats(batch, 2 * channels, queries, keys), floats(2), floats(2)],
  }),
  'BatchNormalization': (at) => ({
    op: 'BatchNormalization', domain: '', attributes: { epsilon: float(0.125) },
    inputs: [image(at), floats(at.channels), floats(at.channels), floats(at.channels), positives(at.random, at.channels)],
  }),
  'LpNormalization': (at) => ({ op: 'LpNormalization', domain: '', inputs: [image(at)], attributes: { axis: 1 } }),
  'LpNormalization by the sum of sizes': (at) => ({ op: 'LpNormalization', domain: '', inputs: [image(at)], attributes: { p: 1 } }),
  'MeanVarianceNormalization': (at) => ({ op: 'MeanVarianceNormalization', domain: '', inputs: [image(at)] }),
};

const CLASSES = 4;

interface Loss {
  readonly op: 'NegativeLogLikelihoodLoss' | 'SoftmaxCrossEntropyLoss';
  readonly reduction?: string;
  readonly isWeighted?: boolean;
  readonly ignored?: number;
}

const loss = ({ op, reduction = 'mean', isWeighted = false, ignored }: Loss) => ({ batch, queries, random }: Drawn): FusedCase => {
  const count = (batch + 1) * queries;
  // The first target is never the one that is ignored, so that a mean has something to be of.
  const targets = whole(random, count, CLASSES).map((target, i) => (i === 0 && target === ignored ? 0 : target));
  return {
    op, domain: '', opset: 13, attributes: { reduction, ...(ignored === undefined ? {} : { ignore_index: ignored }) },
    outputs: op === 'SoftmaxCrossEntropyLoss' ? [true, true] : [true],
    inputs: [floats(batch + 1, CLASSES, queries), ints([batch + 1, queries], targets, 'int64'), ...(isWeighted ? [positives(random, CLASSES)] : [])],
  };
};

const losses: Cases = Object.fromEntries((['NegativeLogLikelihoodLoss', 'SoftmaxCrossEntropyLoss'] as const).flatMap((op) => [
  [op, loss({ op })] as const,
  [`${op}, summed, with weights`, loss({ op, reduction: 'sum', isWeighted: true })] as const,
  [`${op} of each element, one class ignored`, loss({ op, reduction: 'none', ignored: 2 })] as const,
  [`${op} with weights and one class ignored`, loss({ op, isWeighted: true, ignored: 3 })] as const,
]));

const expansionOf = ({ op, domain = 'com.microsoft' }: FusedCase): Expansion => expansions[domain]?.[op] ?? assert.fail(op);

/** By the float inputs but for tables of angles, which are long. */
const differentiatedBy = ({ op }: FusedCase): readonly number[] | undefined => (op === 'RotaryEmbedding' ? [0] : undefined);

for (const [family, cases] of Object.entries({ attention: attentions, rotation: rotaries, normalisations, losses })) {
  describe(`the expansion of ONNX's own ${family}`, () => {
    for (const [name, caseAt] of Object.entries(cases)) {
      it(`${name} equals the operator`, async () => {
        await fc.assert(fc.asyncProperty(drawn, async (at) => {
          const test = caseAt(at);
          await checkExpansion(test, expansionOf(test), at.random);
        }), { seed: 31, numRuns: 4 });
      });
      it(`${name} has a gradient that agrees with finite differences`, async () => {
        await fc.assert(fc.asyncProperty(drawn, async (at) => {
          const test = caseAt(at);
          await checkExpandedGradient(test, expansionOf(test), at.random, differentiatedBy(test));
        }), { seed: 32, numRuns: 1 });
      });
    }
  });
}

const example: Drawn = { batch: 1, queries: 2, keys: 2, past: 1, groups: 2, share: 1, size: 2, channels: 2, random: new Random(3) };

const notExpanded: Readonly<Record<string, { readonly test: FusedCase; readonly says: RegExp }>> = {
  'BatchNormalization in training mode': { test: { ...(normalisations.BatchNormalization?.(example) ?? assert.fail()), attributes: { training_mode: 1 } }, says: /training mode/ },
  'Attention that is causal and has the lengths of its keys': {
    test: { ...attention({ attributes: { is_causal: 1 } })(example), inputs: [...attention({})(example).inputs, null, null, ints([1], [1], 'int64')] }, says: /causal and has the lengths/,
  },
  'RotaryEmbedding of three axes without its number of heads': { test: { ...rotary(true, true)(example), attributes: {} }, says: /how many heads/ },
};

describe('an operator of ONNX that has no expansion as it is used', () => {
  for (const [name, { test, says }] of Object.entries(notExpanded)) {
    it(`is refused with the reason: ${name}`, () => assert.match(expansionRefusal(test, expansionOf(test)), says));
  }
});

// com.microsoft's attention operators: each equals its expansion in standard ops, whose gradient agrees with differences.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import type { GraphBuilder } from '../../src/onnx/builder.ts';
import type { Expansions } from '../../src/onnx/expand/expander.ts';
import { attentionExpansions } from '../../src/onnx/expand/microsoftAttention.ts';
import { groupedAttentionExpansions } from '../../src/onnx/expand/microsoftGroupedAttention.ts';
import type { Attribute } from '../../src/onnx/graph.ts';
import { Random } from '../../src/shared/random.ts';
import type { FusedCase, FusedInput } from '../support/expansionCheck.ts';
import { checkExpandedGradient, checkExpansion, expansionRefusal, floats, ints, refusal } from '../support/expansionCheck.ts';

const expansions: Expansions = { ...attentionExpansions, ...groupedAttentionExpansions };

interface Drawn {
  readonly batch: number;
  /** Queries. */
  readonly length: number;
  readonly past: number;
  /** Of keys and values, in cross-attention. */
  readonly others: number;
  readonly heads: number;
  readonly size: number;
  readonly random: Random;
}

const drawn: fc.Arbitrary<Drawn> = fc
  .record({
    batch: fc.integer({ min: 1, max: 3 }), length: fc.integer({ min: 1, max: 4 }), past: fc.integer({ min: 0, max: 3 }), others: fc.integer({ min: 1, max: 4 }),
    heads: fc.integer({ min: 1, max: 3 }), size: fc.integer({ min: 1, max: 3 }), seed: fc.nat(1e6),
  })
  .map(({ seed, ...sizes }) => ({ ...sizes, random: new Random(seed) }));

type Attributes = Readonly<Record<string, Attribute>>;
type Cases = Readonly<Record<string, (at: Drawn) => FusedCase>>;

const float = (value: number): Attribute => ({ float: value });
const LOWEST = -3.4028234663852886e38;

const whole = (random: Random, count: number, low: number, high: number): number[] =>
  Array.from({ length: count }, () => low + Math.floor((high - low + 1) * random.next()));

/** 1 and 0 by chance, the first of each row always 1, so that no query is left without a key. */
const bits = (random: Random, rows: number, columns: number): number[] =>
  Array.from({ length: rows * columns }, (_, i) => (i % columns === 0 || random.next() < 0.6 ? 1 : 0));

const leftPadded = (random: Random, rows: number, columns: number): number[] =>
  Array.from({ length: rows }, () => Math.floor(columns * random.next())).flatMap((padding) => Array.from({ length: columns }, (_, i) => (i < padding ? 0 : 1)));

const attention = (rest: (at: Drawn) => readonly FusedInput[], attributes: Attributes = {}, outputs = [true]) => (at: Drawn): FusedCase => {
  const width = at.heads * at.size;
  return {
    op: 'Attention', attributes: { num_heads: at.heads, ...attributes }, outputs,
    inputs: [floats(at.batch, at.length, 3), floats(3, 3 * width), floats(3 * width), ...rest(at)],
  };
};

const pastState = ({ batch, heads, past, size }: Drawn): FusedInput => floats(2, batch, heads, past, size);

/** The node without a bias against the node with a bias of zeros. */
const unbiased = (at: Drawn): FusedCase => {
  const width = at.heads * at.size;
  return {
    op: 'Attention', attributes: { num_heads: at.heads }, inputs: [floats(at.batch, at.length, 3), floats(3, 3 * width)],
    reference: (b, names) => {
      const zeros = b.initializer('zeros', { type: 'float32', dims: [3 * width], data: new Float32Array(3 * width) });
      b.nodeWithOutputs('Attention', [...names, zeros], ['reference'], { num_heads: at.heads }, 'com.microsoft');
      return ['reference'];
    },
  };
};

const attentions: Cases = {
  'Attention': attention(() => []),
  'Attention without a bias': unbiased,
  'Attention, unidirectional': attention(() => [], { unidirectional: 1 }),
  'Attention with another scale': attention(() => [], { scale: float(0.3) }),
  'Attention with the lengths of the sequences': attention(({ batch, length, random }) => [ints([batch], whole(random, batch, 1, length))]),
  'Attention with the ends and the starts of the sequences': attention(({ batch, length, random }) => [
    ints([2 * batch], [...Array<number>(batch).fill(length), ...whole(random, batch, 0, length - 1)]),
  ]),
  'Attention with lengths and running totals': attention(({ batch, length, random }) => [
    ints([3 * batch + 2], [...whole(random, batch, 1, length), ...Array.from({ length: 2 * batch + 2 }, (_, i) => (i % (batch + 1)) * length)]),
  ]),
  'Attention with a mask of keys': attention(({ batch, length, random }) => [ints([batch, length], bits(random, batch, length))]),
  'Attention with a mask of keys, unidirectional': attention(({ batch, length, random }) => [ints([batch, length], bits(random, batch, length))], { unidirectional: 1 }),
  'Attention with left padding and the lowest filter, unidirectional': attention(
    ({ batch, length, random }) => [ints([batch, length], leftPadded(random, batch, length))], { unidirectional: 1, mask_filter_value: float(LOWEST) },
  ),
  'Attention with a mask of queries and keys': attention(({ batch, length, random }) => [ints([batch, length, length], bits(random, batch * length, length))]),
  'Attention with past and present, unidirectional': attention((at) => [null, pastState(at)], { unidirectional: 1 }, [true, true]),
  'Attention with past, present and a mask, unidirectional': attention(
    (at) => [ints([at.batch, at.past + at.length], bits(at.random, at.batch, at.past + at.length)), pastState(at)], { unidirectional: 1 }, [true, true],
  ),
  'Attention with an attention bias': attention(({ batch, heads, length }) => [null, null, floats(batch, heads, length, length)]),
  'Attention with one attention bias for all, unidirectional': attention(({ length }) => [null, null, floats(1, 1, length, length)], { unidirectional: 1 }),
  'Attention with narrower values': ({ batch, length, heads }) => ({
    op: 'Attention', attributes: { num_heads: heads, qkv_hidden_sizes: [2 * heads, 2 * heads, heads] },
    inputs: [floats(batch, length, 3), floats(3, 5 * heads), floats(5 * heads)],
  }),
};

const multiHead = (inputs: (at: Drawn, width: number) => readonly FusedInput[], attributes: Attributes = {}, outputs = [true]) => (at: Drawn): FusedCase => ({
  op: 'MultiHeadAttention', attributes: { num_heads: at.heads, ...attributes }, outputs, inputs: inputs(at, at.heads * at.size),
});

/** Query, key and value of cross-attention, the values wider by one element a head. */
const crossing = ({ batch, length, others, heads }: Drawn, width: number): FusedInput[] =>
  [floats(batch, length, width), floats(batch, others, width), floats(batch, others, width + heads)];
const own = ({ batch, length }: Drawn, width: number): FusedInput[] => Array<FusedInput>(3).fill(floats(batch, length, width));
const cache = ({ batch, heads, past, size }: Drawn): FusedInput[] => Array<FusedInput>(2).fill(floats(batch, heads, past, size));
const PRESENT = [true, true, true];

/** Q, K and V in one value, against the node that takes them apart. */
const packed = (count: 2 | 3, withBias: boolean) => ({ batch, length, others, heads, size }: Drawn): FusedCase => {
  const tokens = count === 3 ? length : others;
  const value = floats(batch, tokens, heads, count, size);
  const query = count === 2 ? [floats(batch, length, heads * size)] : [];
  const bias = withBias ? [null, null, floats(3 * heads * size)] : [];
  return {
    op: 'MultiHeadAttention', attributes: { num_heads: heads }, inputs: [...query, value, ...bias],
    reference: (b, names) => {
      const whole3 = names[query.length] ?? '';
      const parts = Array.from({ length: count }, (_, i) => entry(b, whole3, i));
      b.nodeWithOutputs('MultiHeadAttention', [...names.slice(0, query.length), ...parts, ...(withBias ? [names[1] ?? ''] : [])], ['reference'], { num_heads: heads }, 'com.microsoft');
      return ['reference'];
    },
  };
};

function entry(b: GraphBuilder, value: string, i: number): string {
  const at = b.initializer(`at${i}`, ints([], [i], 'int64'));
  const shape = b.initializer(`merged${i}`, ints([3], [0, 0, -1], 'int64'));
  return b.node('Reshape', [b.node('Gather', [value, at], { axis: 3 }), shape]);
}

const multiHeads: Cases = {
  'MultiHeadAttention': multiHead(own),
  'MultiHeadAttention across sequences': multiHead(crossing),
  'MultiHeadAttention with a bias': multiHead((at, width) => [...crossing(at, width), floats(3 * width + at.heads)]),
  'MultiHeadAttention, unidirectional': multiHead((at, width) => [...own(at, width), floats(3 * width)], { unidirectional: 1 }),
  'MultiHeadAttention across sequences, unidirectional': multiHead(crossing, { unidirectional: 1 }),
  'MultiHeadAttention with another scale': multiHead(crossing, { scale: float(0.2) }),
  'MultiHeadAttention with the lengths of the keys': multiHead((at, width) => [...crossing(at, width), null, ints([at.batch], whole(at.random, at.batch, 1, at.others))]),
  'MultiHeadAttention with a mask of keys': multiHead((at, width) => [...crossing(at, width), null, ints([at.batch, at.others], bits(at.random, at.batch, at.others))]),
  'MultiHeadAttention with a mask of queries and keys': multiHead((at, width) => [
    ...own(at, width), null, ints([at.batch, at.length, at.length], bits(at.random, at.batch * at.length, at.length)),
  ]),
  'MultiHeadAttention with an attention bias': multiHead((at, width) => [...crossing(at, width), null, null, floats(at.batch, at.heads, at.length, at.others)]),
  'MultiHeadAttention with one attention bias for the batch': multiHead((at, width) => [...crossing(at, width), null, null, floats(1, at.heads, at.length, at.others)]),
  'MultiHeadAttention with past and present': multiHead((at, width) => [...own(at, width), null, null, null, ...cache(at)], {}, PRESENT),
  'MultiHeadAttention with past, bias, mask and attention bias, unidirectional': multiHead((at, width) => [
    ...own(at, width), floats(3 * width), ints([at.batch, at.past + at.length], bits(at.random, at.batch, at.past + at.length)),
    floats(at.batch, at.heads, at.length, at.past + at.length), ...cache(at),
  ], { unidirectional: 1 }, PRESENT),
  'MultiHeadAttention with present alone': multiHead(own, {}, PRESENT),
  'MultiHeadAttention of keys and values in heads': multiHead((at, width) => [
    floats(at.batch, at.length, width), ...Array<FusedInput>(2).fill(floats(at.batch, at.heads, at.others, at.size)),
  ]),
  'MultiHeadAttention of packed Q, K and V': packed(3, false),
  'MultiHeadAttention of packed Q, K and V with a bias': packed(3, true),
  'MultiHeadAttention of packed K and V': packed(2, false),
};

interface Grouped {
  readonly attributes?: Attributes;
  readonly packed?: boolean;
  /** How many of the cache's places each sequence has filled, and how many there are. null: no cache. */
  readonly filled?: ((at: Drawn) => readonly number[]) | null;
  readonly capacity?: (at: Drawn) => number;
  /** The length of each sequence of a padded prompt. */
  readonly lengths?: (at: Drawn) => readonly number[];
  readonly size?: (at: Drawn) => number;
  readonly half?: number;
  /** Inputs from position_ids on. */
  readonly rest?: (at: Drawn, total: number) => readonly FusedInput[];
}

const PLACES = 12;
const GROUPS = 2;

function grouped({ attributes = {}, filled = null, capacity = (at) => at.past, lengths, size = (at) => 8 * at.size, half = 0, rest, ...options }: Grouped) {
  return (at: Drawn): FusedCase => {
    const [b, s, n, h] = [at.batch, at.length, GROUPS * at.heads, size(at)];
    const totals = filled ? filled(at).map((count) => count + s) : (lengths?.(at) ?? Array<number>(b).fill(s));
    const total = filled ? Math.max(...totals) : s;
    const tables = half > 0 ? [floats(PLACES, half), floats(PLACES, half)] : [null, null];
    const states = filled || lengths ? Array<FusedInput>(2).fill(floats(b, GROUPS, capacity(at), h)) : [null, null];
    const projections = options.packed ? [floats(b, s, (n + 2 * GROUPS) * h), null, null] : [floats(b, s, n * h), floats(b, s, GROUPS * h), floats(b, s, GROUPS * h)];
    return {
      op: 'GroupQueryAttention', outputs: PRESENT,
      attributes: { num_heads: n, kv_num_heads: GROUPS, ...(half > 0 ? { do_rotary: 1 } : {}), ...attributes },
      inputs: [...projections, ...states, ints([b], totals.map((count) => count - 1)), ints([1], [total]), ...(half > 0 || rest ? tables : []), ...(rest?.(at, total) ?? [])],
      // What a padded query attends to is not defined.
      defined: (output, i) => output > 0 || Math.floor(i / (n * h)) % s < (filled ? s : (totals[Math.floor(i / (n * h * s))] ?? 0)),
    };
  };
}

/** With a cache, ONNX Runtime takes one new token for each sequence, or several of one. */
const one = (at: Drawn): Drawn => ({ ...at, length: 1, past: at.past + 1 });
const alone = (at: Drawn): Drawn => ({ ...at, batch: 1, past: at.past + 1 });
const full = ({ batch, past }: Drawn): number[] => Array<number>(batch).fill(past);
/** Sequences of different lengths, the longest as long as the cache. */
const ragged = ({ batch, past, random }: Drawn): number[] => Array.from({ length: batch }, (_, i) => (i === 0 ? past : 1 + Math.floor(past * random.next())));
const prompts = ({ batch, length, random }: Drawn): number[] => whole(random, batch, 1, length);
const sixteen = (): number => 16;

const groups: Cases = {
  'GroupQueryAttention': grouped({}),
  'GroupQueryAttention of packed Q, K and V': grouped({ packed: true }),
  'GroupQueryAttention with an empty cache': grouped({ lengths: ({ batch, length }) => Array<number>(batch).fill(length), capacity: () => 0 }),
  'GroupQueryAttention of padded prompts': grouped({ lengths: prompts, capacity: () => 0 }),
  'GroupQueryAttention of padded prompts with room in the cache': grouped({ lengths: prompts, capacity: ({ length }) => length + 2 }),
  'GroupQueryAttention of the next token': (at) => grouped({ filled: full })(one(at)),
  'GroupQueryAttention of the next token of sequences of different lengths': (at) => grouped({ filled: ragged })(one(at)),
  'GroupQueryAttention of several next tokens': (at) => grouped({ filled: full })(alone(at)),
  'GroupQueryAttention with rotary embedding': grouped({ half: 8, size: sixteen }),
  'GroupQueryAttention with rotary embedding in interleaved pairs': grouped({ half: 8, size: sixteen, attributes: { rotary_interleaved: 1 } }),
  'GroupQueryAttention with rotary embedding of a part of each head': grouped({ half: 8, size: () => 32 }),
  'GroupQueryAttention with rotary embedding of padded prompts': grouped({ half: 8, size: sixteen, lengths: prompts, capacity: () => 0 }),
  'GroupQueryAttention with rotary embedding of packed next tokens': (at) => grouped({ half: 8, size: sixteen, packed: true, filled: ragged })(one(at)),
  'GroupQueryAttention with rotary embedding of several next tokens': (at) => grouped({ half: 8, size: sixteen, filled: full })(alone(at)),
  'GroupQueryAttention with positions of a prompt': grouped({ half: 8, size: sixteen, rest: ({ batch, length, random }) => [ints([batch, length], whole(random, batch * length, 0, 7), 'int64')] }),
  'GroupQueryAttention with positions of next tokens': (at) =>
    grouped({ half: 8, size: sixteen, filled: full, rest: ({ batch, length, random }) => [ints([batch, length], whole(random, batch * length, 0, 7), 'int64')] })(one(at)),
  'GroupQueryAttention with another scale': grouped({ attributes: { scale: float(0.2) } }),
  'GroupQueryAttention with softcap': grouped({ attributes: { softcap: float(0.7) } }),
  'GroupQueryAttention with softcap and an attention bias': grouped({ attributes: { softcap: float(0.7) }, rest: ({ batch, heads, length }, total) => [null, floats(batch, GROUPS * heads, length, total)] }),
  'GroupQueryAttention within a window': grouped({ attributes: { local_window_size: 2 }, lengths: prompts, capacity: () => 0 }),
  'GroupQueryAttention of next tokens within a window': (at) => grouped({ attributes: { local_window_size: 2 }, filled: ragged })(one(at)),
  'GroupQueryAttention of several next tokens within a window': (at) => grouped({ attributes: { local_window_size: 2 }, filled: full })(alone(at)),
  'GroupQueryAttention with smooth softmax': grouped({ attributes: { smooth_softmax: 1 } }),
  'GroupQueryAttention with a sink for each head': grouped({ rest: ({ heads }) => [null, null, floats(GROUPS * heads)] }),
  'GroupQueryAttention with one attention bias for all': grouped({ rest: ({ length }, total) => [null, floats(1, 1, length, total)] }),
  'GroupQueryAttention of next tokens with an attention bias': (at) => grouped({ filled: ragged, rest: ({ heads, length }, total) => [null, floats(1, GROUPS * heads, length, total)] })(one(at)),
  'GroupQueryAttention without causality': grouped({ attributes: { causal: 0 } }),
  'GroupQueryAttention with norms of queries and keys': (at) => normed(at),
};

/** The node with norms of its own against norms before the node. */
function normed(at: Drawn): FusedCase {
  const test = grouped({ rest: () => [null, null, null, null, null, floats(8 * at.size), floats(8 * at.size)] })(at);
  return {
    ...test,
    reference: (b, names) => {
      const [query = '', key = '', value = '', queryNorm = '', keyNorm = ''] = names;
      const constants = [5, 6].map((i) => b.initializer(`given${i}`, test.inputs[i] as ReturnType<typeof ints>));
      const outputs = ['reference', 'reference/key', 'reference/value'];
      const inputs = [headNorm(b, query, queryNorm, 8 * at.size), headNorm(b, key, keyNorm, 8 * at.size), value, '', '', ...constants];
      b.nodeWithOutputs('GroupQueryAttention', inputs, outputs, test.attributes, 'com.microsoft');
      return outputs;
    },
  };
}

function headNorm(b: GraphBuilder, x: string, weight: string, size: number): string {
  const shape = (...dims: number[]): string => b.initializer(b.fresh('shape'), ints([dims.length], dims, 'int64'));
  const heads = b.node('Reshape', [x, shape(0, 0, -1, size)]);
  return b.node('Reshape', [b.node('SimplifiedLayerNormalization', [heads, weight], { axis: -1, epsilon: float(1e-6) }), shape(0, 0, -1)]);
}

/** Tables of angles and, for time's sake, the cache of long heads stay fixed: queries, keys and values are what is differentiated by. */
const differentiatedBy = ({ op, inputs }: FusedCase): readonly number[] | undefined =>
  op === 'GroupQueryAttention' && inputs.length > 7 && inputs[7] ? (inputs[1] ? [0, 1, 2] : [0]) : undefined;

const small = (at: Drawn): Drawn => ({ ...at, batch: Math.min(at.batch, 2), length: Math.min(at.length, 3), heads: 1, size: 1 });

for (const [family, cases] of Object.entries({ Attention: attentions, MultiHeadAttention: multiHeads, GroupQueryAttention: groups })) {
  describe(`the expansion of ${family}`, () => {
    for (const [name, caseAt] of Object.entries(cases)) {
      it(`${name} equals the operator`, async () => {
        await fc.assert(fc.asyncProperty(drawn, async (at) => {
          const test = caseAt(at);
          await checkExpansion(test, expansions[test.op] ?? assert.fail(test.op), at.random);
        }), { seed: 5, numRuns: 5 });
      });
      it(`${name} has a gradient that agrees with finite differences`, async () => {
        await fc.assert(fc.asyncProperty(drawn, async (at) => {
          const test = caseAt(small({ ...at, size: 1 }));
          await checkExpandedGradient(test, expansions[test.op] ?? assert.fail(test.op), at.random, differentiatedBy(test));
        }), { seed: 6, numRuns: 1 });
      });
    }
  });
}

const example: Drawn = { batch: 2, length: 3, past: 2, others: 2, heads: 2, size: 2, random: new Random(1) };

/**
 * What ONNX Runtime's CPU provider refuses. One more is missing here: Attention without a bias, which its schema allows,
 * ends the process (a segmentation fault in 1.30.0).
 */
const refused: Readonly<Record<string, { readonly test: FusedCase; readonly says: RegExp }>> = {
  'Attention with a mask of four axes': { test: attention(() => [ints([2, 1, 3, 3], Array<number>(18).fill(1))])(example), says: /4D mask/ },
  'Attention with rotary embedding': { test: attention(() => [], { do_rotary: 1 })(example), says: /Rotary embedding is not supported/ },
  'MultiHeadAttention of packed Q, K and V': { test: { ...packed(3, false)(example), reference: undefined }, says: /Packed QKV/ },
  'MultiHeadAttention of packed K and V': { test: { ...packed(2, false)(example), reference: undefined }, says: /Packed KV/ },
  'GroupQueryAttention of several next tokens of several sequences': { test: grouped({ filled: full })(example), says: /batch_size must be 1/ },
  'GroupQueryAttention with norms of queries and keys': { test: { ...normed(example), reference: undefined }, says: /q_norm_weight/ },
  'GroupQueryAttention with rotary embedding of heads of 8': { test: grouped({ half: 4, size: () => 8 })(example), says: /multiple of 16/ },
};

describe('ONNX Runtime on the CPU', () => {
  for (const [name, { test, says }] of Object.entries(refused)) {
    it(`refuses ${name}`, async () => assert.match(await refusal(test, new Random(1)), says));
  }
});

const withInput = (test: FusedCase, at: number, input: FusedInput): FusedCase => ({ ...test, inputs: Array.from({ length: Math.max(at + 1, test.inputs.length) }, (_, i) => (i === at ? input : (test.inputs[i] ?? null))) });

const notExpanded: Readonly<Record<string, { readonly test: FusedCase; readonly says: RegExp }>> = {
  'Attention with a mask of four axes': { test: attention(() => [ints([2, 1, 3, 3], Array<number>(18).fill(1))])(example), says: /its mask has four axes/ },
  'Attention with rotary embedding': { test: attention(() => [], { do_rotary: 1 })(example), says: /do_rotary/ },
  'Attention whose past and present share a buffer': { test: attention(() => [], { past_present_share_buffer: 1 })(example), says: /share a buffer/ },
  'MultiHeadAttention that shares a buffer': { test: withInput(multiHead(own)(example), 8, ints([1], [1])), says: /shares a buffer/ },
  'MultiHeadAttention of a query alone': { test: multiHead((at, width) => [floats(at.batch, at.length, width)])(example), says: /not packed/ },
  'GroupQueryAttention with a quantised cache': { test: grouped({ attributes: { k_quant_type: 'PER_TENSOR' } })(example), says: /quantised/ },
  'GroupQueryAttention with a cache of a window': { test: grouped({ attributes: { sliding_window_cache: 1, local_window_size: 2 } })(example), says: /sliding window/ },
};

describe('an attention that has no expansion', () => {
  for (const [name, { test, says }] of Object.entries(notExpanded)) {
    it(`is refused with the reason: ${name}`, () => assert.match(expansionRefusal(test, expansions[test.op] ?? assert.fail(test.op)), says));
  }
});

// The vision encoder and the projector as ONNX nodes: overlapping patches, transformer layers that see all, an MLP.
import { IMAGE_SIZE, PATCH_GRID, PATCH_SIZE } from './scenes.ts';
import type { GraphBuilder } from '../../../src/onnx/builder.ts';
import type { WeightShape } from '../llama.ts';
import { float, int64 } from '../llama.ts';

export interface EncoderConfig {
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  /** Width of the MLPs of the layers. */
  readonly neurons: number;
  /** Width of the decoder's stream, which the projector leads to. */
  readonly hidden: number;
  readonly normEpsilon: number;
}

export const PATCHES = PATCH_GRID * PATCH_GRID;
const BLOCK = 3 * PATCH_SIZE * PATCH_SIZE;
/** A patch is seen with the eight patches around it. */
const AROUND = 3;

const EMBEDDINGS = 'vision_tower.embeddings';
const PROJECTOR = 'multi_modal_projector';
const layerName = (i: number): string => `vision_tower.layers.${i}`;

/** The weights in the order in which a flat vector holds them. */
export function encoderShapes({ width, layers, neurons, hidden }: EncoderConfig): readonly WeightShape[] {
  const linear = (name: string, input: number, output: number, scale = 1): WeightShape[] => [
    { name: `${name}.weight`, dims: [input, output], deviation: scale / Math.sqrt(input) },
    { name: `${name}.bias`, dims: [output], deviation: 0 },
  ];
  const norm = (name: string): WeightShape => ({ name: `${name}.weight`, dims: [width], deviation: null });
  const branch = 1 / Math.sqrt(2 * layers);
  const blocks = Array.from({ length: layers }, (_, i) => layerName(i)).flatMap((layer) => [
    norm(`${layer}.layer_norm1`),
    ...['q', 'k', 'v'].flatMap((part) => linear(`${layer}.self_attn.${part}_proj`, width, width)),
    ...linear(`${layer}.self_attn.out_proj`, width, width, branch),
    norm(`${layer}.layer_norm2`),
    ...linear(`${layer}.mlp.fc1`, width, neurons),
    ...linear(`${layer}.mlp.fc2`, neurons, width, branch),
  ]);
  return [
    ...linear(`${EMBEDDINGS}.patch_embedding`, AROUND * AROUND * BLOCK, 2 * width),
    ...linear(`${EMBEDDINGS}.patch_mlp`, 2 * width, width),
    { name: `${EMBEDDINGS}.position_embedding.weight`, dims: [PATCHES, width], deviation: 0.3 },
    ...blocks,
    norm('vision_tower.post_layernorm'),
    ...linear(`${PROJECTOR}.linear_1`, width, hidden),
    ...linear(`${PROJECTOR}.linear_2`, hidden, hidden),
  ];
}

/** Writes the nodes; the weights are values of the graph that bear the names of `encoderShapes`. */
export class EncoderNodes {
  constructor(
    private readonly b: GraphBuilder,
    private readonly config: EncoderConfig,
  ) {}

  /** [images, 3, 32, 32] → [images, patches, hidden] */
  features(pixels: string, name?: string): string {
    const { b, config } = this;
    let stream = b.node('Add', [this.patchEmbeddings(pixels), `${EMBEDDINGS}.position_embedding.weight`]);
    for (let i = 0; i < config.layers; i++) {
      const layer = layerName(i);
      const middle = b.node('Add', [stream, this.attention(`${layer}.self_attn`, this.norm(stream, `${layer}.layer_norm1`))]);
      const inner = this.linear(`${layer}.mlp.fc1`, this.norm(middle, `${layer}.layer_norm2`));
      stream = b.node('Add', [middle, this.linear(`${layer}.mlp.fc2`, this.silu(inner))]);
    }
    const seen = this.norm(stream, 'vision_tower.post_layernorm');
    return this.linear(`${PROJECTOR}.linear_2`, this.silu(this.linear(`${PROJECTOR}.linear_1`, seen)), name);
  }

  /** Two linear maps of the 12 × 12 pixels around each patch, [images, patches, width]. */
  private patchEmbeddings(pixels: string): string {
    const inner = this.linear(`${EMBEDDINGS}.patch_embedding`, this.surroundings(pixels));
    return this.linear(`${EMBEDDINGS}.patch_mlp`, this.silu(inner));
  }

  /** The pixels of each patch and of the eight around it, zeros beyond the edge, [images, patches, 9 · 48]. */
  private surroundings(pixels: string): string {
    const { b } = this;
    const blocks = PATCH_GRID + AROUND - 1;
    const padded = b.node('Pad', [pixels, int64(b, 0, 0, PATCH_SIZE, PATCH_SIZE, 0, 0, PATCH_SIZE, PATCH_SIZE), float(b, 0)]);
    const cut = b.node('Reshape', [padded, int64(b, 0, 3, blocks, PATCH_SIZE, blocks, PATCH_SIZE)]);
    const ordered = b.node('Transpose', [cut], { perm: [0, 2, 4, 1, 3, 5] });
    const grid = b.node('Reshape', [ordered, int64(b, 0, blocks, blocks, BLOCK)]);
    const shifted = Array.from({ length: AROUND * AROUND }, (_, i) => [Math.floor(i / AROUND), i % AROUND] as const).map(([down, right]) =>
      b.node('Slice', [grid, int64(b, down, right), int64(b, down + PATCH_GRID, right + PATCH_GRID), int64(b, 1, 2)]));
    return b.node('Reshape', [b.node('Concat', shifted, { axis: 3 }), int64(b, 0, PATCHES, AROUND * AROUND * BLOCK)]);
  }

  private attention(name: string, x: string): string {
    const { b, config: { width, heads } } = this;
    const size = width / heads;
    const split = (part: string, perm: readonly number[]): string => {
      const own = b.node('Reshape', [this.linear(`${name}.${part}_proj`, x), int64(b, 0, 0, heads, size)]);
      return b.node('Transpose', [own], { perm: [...perm] });
    };
    const scores = b.node('MatMul', [split('q', [0, 2, 1, 3]), split('k', [0, 2, 3, 1])]);
    const weights = b.node('Softmax', [b.node('Mul', [scores, float(b, 1 / Math.sqrt(size))])], { axis: -1 });
    const mixed = b.node('Transpose', [b.node('MatMul', [weights, split('v', [0, 2, 1, 3])])], { perm: [0, 2, 1, 3] });
    return this.linear(`${name}.out_proj`, b.node('Reshape', [mixed, int64(b, 0, 0, width)]));
  }

  private linear(name: string, x: string, output?: string): string {
    const { b } = this;
    return b.node('Add', [b.node('MatMul', [x, `${name}.weight`]), `${name}.bias`], {}, output);
  }

  private silu(x: string): string {
    return this.b.node('Mul', [x, this.b.node('Sigmoid', [x])]);
  }

  /** x / √(mean x² + ε) · weight */
  private norm(x: string, weight: string): string {
    const { b, config } = this;
    const mean = b.node('ReduceMean', [b.node('Mul', [x, x]), int64(b, -1)], { keepdims: 1 });
    const root = b.node('Sqrt', [b.node('Add', [mean, float(b, config.normEpsilon)])]);
    return b.node('Mul', [b.node('Div', [x, root]), `${weight}.weight`]);
  }
}

/** What `pixel_values` is, [images, 3, 32, 32]. */
export const pixelDims = (images: number | string): (number | string)[] => [images, 3, IMAGE_SIZE, IMAGE_SIZE];

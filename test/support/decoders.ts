// Running decoders and edits of them in tests, and small decoders of the forms that exports have, made here.
import { readFileSync } from 'node:fs';
import { GraphBuilder } from '../../src/onnx/builder.ts';
import { decodeModel } from '../../src/onnx/decode.ts';
import { encodeGraph } from '../../src/onnx/encode.ts';
import { openModelFile } from '../../src/onnx/file.ts';
import type { ModelFile } from '../../src/onnx/file.ts';
import type { Graph } from '../../src/onnx/graph.ts';
import type { Execute } from '../../src/onnx/shapes.ts';
import type { SitesResult, Site } from '../../src/lm/sites.ts';
import { findSites } from '../../src/lm/sites.ts';
import type { HostTensor, SessionOptions } from '../../src/runtime/protocol.ts';
import { Random } from '../../src/shared/random.ts';
import { sharedHost } from './host.ts';

export type Feeds = Readonly<Record<string, HostTensor>>;

/** Runs an edit of a model file's graph once, its weights where they are. */
export async function runEdit(graph: Graph, { dataFolder, dataBytes }: Pick<ModelFile, 'dataFolder' | 'dataBytes'>, feeds: Feeds, options: Partial<SessionOptions> = {}): Promise<Feeds> {
  const session = await sharedHost().createSession({ graph: encodeGraph(graph), dataFolder, dataBytes }, { provider: 'cpu', threads: 1, ...options });
  try {
    return await session.run(feeds);
  } finally {
    await session.release();
  }
}

/** `measureShapes` on a model file's edits. */
export const executeBeside = ({ dataFolder, dataBytes }: ModelFile): Execute => async (model, feeds) => {
  const session = await sharedHost().createSession({ graph: model, dataFolder, dataBytes }, { provider: 'cpu', optimization: 'disabled' });
  try {
    return await session.run(feeds);
  } finally {
    await session.release();
  }
};

export function openedFile(path: string): ModelFile {
  const opened = openModelFile(path);
  if (!opened.ok) throw new Error(opened.fault.message);
  return opened.file;
}

/** A model file as a graph that holds its weights. */
export function wholeModel(path: string): Graph {
  const decoded = decodeModel(new Uint8Array(readFileSync(path)), path);
  if (!decoded.ok) throw new Error(decoded.fault.message);
  return decoded.graph;
}

export function sitesOf(graph: Graph): readonly Site[] {
  const found: SitesResult = findSites(graph);
  if (!found.ok) throw new Error(found.message);
  return found.sites;
}

export function siteNamed(sites: readonly Site[], name: string): Site {
  const found = sites.find((site) => site.name === name);
  if (!found) throw new Error(`no site ${name}; there are ${sites.map((site) => site.name).join(', ')}`);
  return found;
}

export interface DecoderShape {
  /** `gemma`: norms before and after each branch; `parallel`: attention and MLP on one norm, as Phi and GPT-J; `postNorm`: the norm after the sum. */
  readonly form: 'llama' | 'gemma' | 'parallel' | 'parallelLeft' | 'gpt2' | 'postNorm' | 'noResidual';
  readonly layers: number;
}

const WIDTH = 6;
const NEURONS = 10;
const TOKENS = 11;

/** A decoder of one head without positions, its weights drawn; nodes bear no names. */
export function smallDecoder({ form, layers }: DecoderShape, seed = 1): Graph {
  return new SmallDecoder(new Random(seed)).build(form, layers);
}

class SmallDecoder {
  private readonly b = new GraphBuilder({ opset: 18, metadata: {}, nodes: [], inputs: [], outputs: [], initializers: new Map() });

  constructor(private readonly random: Random) {}

  build(form: DecoderShape['form'], layers: number): Graph {
    const { b } = this;
    b.input('input_ids', 'int64', ['batch', 'sequence']);
    let stream = b.node('Gather', [this.weight(TOKENS, WIDTH), 'input_ids']);
    if (form === 'gemma') stream = b.node('Mul', [stream, this.scalar(Math.sqrt(WIDTH))]);
    if (form === 'gpt2') stream = b.node('Add', [stream, this.weight(1, WIDTH)]);
    for (let i = 0; i < layers; i++) stream = this.layer(form, stream);
    const logits = b.node('MatMul', [this.norm(stream), this.weight(WIDTH, TOKENS)], {}, form === 'gemma' ? undefined : 'logits');
    if (form === 'gemma') b.node('Mul', [b.node('Tanh', [b.node('Div', [logits, this.scalar(30)])]), this.scalar(30)], {}, 'logits');
    b.output('logits', 'float32', ['batch', 'sequence', TOKENS]);
    return b.build();
  }

  private layer(form: DecoderShape['form'], x: string): string {
    const { b } = this;
    const add = (left: string, right: string): string => b.node('Add', [left, right]);
    switch (form) {
      case 'parallel': {
        const normed = this.norm(x);
        return add(add(this.attention(normed), this.mlp(normed)), x);
      }
      case 'parallelLeft': {
        const [attention, mlp] = [this.attention(this.norm(x)), this.mlp(this.norm(x))];
        return add(add(x, attention), mlp);
      }
      case 'gemma': {
        const middle = add(x, this.norm(this.attention(this.norm(x))));
        return add(middle, this.norm(this.mlp(this.norm(middle))));
      }
      case 'postNorm': {
        const middle = this.norm(add(x, this.attention(x)));
        return this.norm(add(middle, this.mlp(middle)));
      }
      case 'noResidual': return this.mlp(this.norm(this.attention(this.norm(x))));
      case 'gpt2': {
        const middle = add(b.node('Add', [this.attention(this.norm(x)), this.weight(WIDTH)]), x);
        return add(b.node('Add', [this.mlp(this.norm(middle)), this.weight(WIDTH)]), middle);
      }
      case 'llama': {
        const middle = add(x, this.attention(this.norm(x)));
        return add(middle, this.mlp(this.norm(middle)));
      }
    }
  }

  /** x / √(mean x² + ε) · w, written out. */
  private norm(x: string): string {
    const { b } = this;
    const axes = this.int64(-1);
    const square = b.node('ReduceMean', [b.node('Pow', [x, this.scalar(2)]), axes], { keepdims: 1 });
    const root = b.node('Sqrt', [b.node('Add', [square, this.scalar(1e-5)])]);
    return b.node('Mul', [b.node('Div', [x, root]), this.weight(WIDTH)]);
  }

  private attention(x: string): string {
    const { b } = this;
    const [q, k, v] = [0, 1, 2].map(() => b.node('MatMul', [x, this.weight(WIDTH, WIDTH)]));
    const scores = b.node('MatMul', [q ?? '', b.node('Transpose', [k ?? ''], { perm: [0, 2, 1] })]);
    const mixed = b.node('MatMul', [b.node('Softmax', [scores], { axis: -1 }), v ?? '']);
    return b.node('MatMul', [mixed, this.weight(WIDTH, WIDTH)]);
  }

  private mlp(x: string): string {
    const { b } = this;
    const gate = b.node('Sigmoid', [b.node('MatMul', [x, this.weight(WIDTH, NEURONS)])]);
    return b.node('MatMul', [b.node('Mul', [gate, b.node('MatMul', [x, this.weight(WIDTH, NEURONS)])]), this.weight(NEURONS, WIDTH)]);
  }

  private weight(...dims: readonly number[]): string {
    const count = dims.reduce((size, dim) => size * dim, 1);
    const data = Float32Array.from({ length: count }, () => (dims.length === 1 ? 1 + 0.3 * this.random.normal() : 0.6 * this.random.normal()));
    return this.b.initializer(this.b.fresh('weight'), { type: 'float32', dims, data });
  }

  private scalar(value: number): string {
    return this.b.initializer(this.b.fresh('scalar'), { type: 'float32', dims: [], data: Float32Array.of(value) });
  }

  private int64(...values: readonly number[]): string {
    return this.b.initializer(this.b.fresh('axes'), { type: 'int64', dims: [values.length], data: BigInt64Array.from(values, BigInt) });
  }
}

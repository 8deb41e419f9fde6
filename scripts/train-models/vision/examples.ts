// Scenes and what is said about them as the training graph takes them: many texts behind each image.
import { drawScene, pixelValues } from './draw.ts';
import { pixelDims, PATCHES } from './encoder.ts';
import { PREFIX } from './graphs.ts';
import type { Scene } from './scenes.ts';
import type { Exchange } from './texts.ts';
import type { HostTensor } from '../../../src/runtime/protocol.ts';

/** What is needed of a tokenizer. */
export interface TextTokens {
  readonly start: number;
  readonly end: number;
  readonly pad: number;
  encode(text: string): readonly number[];
}

export interface Example {
  readonly scene: Scene;
  readonly exchanges: readonly Exchange[];
}

/** Tokens of one exchange, and from where on they are answer. */
interface Segment {
  readonly ids: readonly number[];
  readonly answerAt: number;
}

function segmentOf({ prompt, answer }: Exchange, tokens: TextTokens): Segment {
  const asked = tokens.encode(prompt);
  return { ids: [...asked, ...tokens.encode(answer), tokens.end], answerAt: asked.length };
}

/** Position of the first token behind the start and the image. */
const TEXT_START = 1 + PATCHES;

class Row {
  readonly ids: number[] = [];
  readonly segments: number[] = [];
  readonly positions: number[] = [];
  readonly answers: number[] = [];
  readonly labels: number[] = [];

  /** Each segment's positions go on from the image, as if it stood there alone. */
  add({ ids, answerAt }: Segment, number: number): void {
    const before = this.ids.length;
    for (let i = 0; i < ids.length - 1; i++) {
      this.ids.push(ids[i] ?? 0);
      this.segments.push(number);
      this.positions.push(TEXT_START + i);
    }
    for (let i = answerAt; i < ids.length; i++) {
      this.answers.push(before + i - 1);
      this.labels.push(ids[i] ?? 0);
    }
  }
}

function rowOf({ exchanges }: Example, tokens: TextTokens): Row {
  const row = new Row();
  exchanges.forEach((exchange, i) => row.add(segmentOf(exchange, tokens), PREFIX + 1 + i));
  return row;
}

/**
 * The training graph's feeds, all but the weights.
 * @param padding positions behind the longest row
 */
export function trainingFeeds(examples: readonly Example[], tokens: TextTokens, padding = 0): Record<string, HostTensor> {
  const rows = examples.map((example) => rowOf(example, tokens));
  const width = Math.max(...rows.map(({ ids }) => ids.length)) + padding;
  const [batch, sequence] = [rows.length, TEXT_START + width];
  const filled = (values: readonly number[], filler: number): number[] => [...values, ...new Array<number>(width - values.length).fill(filler)];
  const prefix = Array.from({ length: TEXT_START }, (_, i) => i);
  const labels = rows.flatMap((row) => row.labels);
  return {
    pixel_values: pixelTensor(examples.map(({ scene }) => drawScene(scene))),
    start: int64([batch, 1], rows.map(() => tokens.start)),
    input_ids: int64([batch, width], rows.flatMap(({ ids }) => filled(ids, tokens.pad))),
    segments: int64([batch, sequence], rows.flatMap(({ segments }) => [...prefix.map(() => PREFIX), ...filled(segments, -1)])),
    position_ids: int64([batch, sequence], rows.flatMap(({ positions }) => [...prefix, ...filled(positions, 0)])),
    answers: int64([labels.length], rows.flatMap(({ answers }, i) => answers.map((at) => i * sequence + TEXT_START + at))),
    labels: int64([1, labels.length], labels),
    mask: { type: 'float32', dims: [1, labels.length], data: new Float32Array(labels.length).fill(1) },
  };
}

/** `pixel_values` of images as `drawScene` gives them. */
export function pixelTensor(images: readonly Uint8Array[]): HostTensor {
  const size = images[0]?.length ?? 0;
  const data = new Float32Array(images.length * size);
  images.forEach((image, i) => data.set(pixelValues(image), i * size));
  return { type: 'float32', dims: pixelDims(images.length).map(Number), data };
}

const int64 = (dims: readonly number[], values: readonly number[]): HostTensor => ({ type: 'int64', dims, data: BigInt64Array.from(values, BigInt) });

// Makes the picture of a compiled transformer: its activations on one input, with the names and places of the source.
import type { DirectionGroup } from './directionGroups.ts';
import { directionGroups } from './directionGroups.ts';
import type { Activations, Reading } from './inspect.ts';
import { nameOf } from './problem.ts';
import type { Head, TransformerWeights } from './transformer.ts';
import { shapeOf } from './transformer.ts';
import type { SourceFile } from '../../rasp/analyse.ts';
import { lineAt } from '../../rasp/diagnostic.ts';
import { EvaluationError, interpret } from '../../rasp/interpret.ts';
import type { Node, Program, Value } from '../../rasp/program.ts';
import { nodesBelow, spanIn } from '../../rasp/program.ts';
import { cell } from '../../rasp/valueText.ts';
import type { PicturedDirections, PicturedHead, SourcePlace, TransformerPicture } from '../../shared/transformerPicture.ts';

/** Values of one indicator that are listed. */
const mostValues = 4;
/** Longer texts do not serve as names. */
const longestName = 32;

/** @param activations of the weights on the input */
export function pictureOf(program: Program, source: SourceFile, weights: TransformerWeights, input: readonly Value[], activations: Activations): TransformerPicture {
  return new Pictures(program, source, weights).on(input, activations);
}

/** Where an op is written, or called, in the file; null for what comes from other files. */
export function placeOf({ origin }: Node, { path, text }: SourceFile): SourcePlace | null {
  const span = spanIn(origin, path);
  return span ? { start: span.start, end: span.end, line: lineAt(text, span.start) } : null;
}

class Pictures {
  private readonly groups: readonly DirectionGroup[];
  /** By the name that the compiler gives them; of several, the first. */
  private readonly nodes: ReadonlyMap<string, Node>;

  constructor(
    private readonly program: Program,
    private readonly source: SourceFile,
    private readonly weights: TransformerWeights,
  ) {
    this.groups = directionGroups(weights.directions);
    this.nodes = new Map(nodesBelow(program.output).toReversed().map((node) => [nameOf(node), node]));
  }

  on(input: readonly Value[], { embedding, layers, output }: Activations): TransformerPicture {
    return {
      input: input.map((token) => cell(token)),
      embedding: this.written(-1, embedding),
      layers: layers.map(({ heads, residual }, l) => ({
        heads: heads.map(({ probabilities }, h) => this.head(this.weights.layers[l]?.attention?.heads[h], probabilities)),
        attended: this.written(2 * l, residual),
        hidden: this.weights.layers[l]?.mlp?.input.columns ?? 0,
        computed: this.written(2 * l + 1, residual),
      })),
      output: output.map((value) => cell(value)),
      interpreted: this.interpreted(input),
      shape: shapeOf(this.weights),
    };
  }

  private head(head: Head | undefined, probabilities: readonly (readonly number[])[]): PicturedHead {
    const node = head?.node;
    const selector = node && 'selector' in node ? node.selector : null;
    return {
      op: node ? this.displayName(node) : '',
      selector: selector && this.displayName(selector),
      opPlace: node ? placeOf(node, this.source) : null,
      selectorPlace: selector && placeOf(selector, this.source),
      probabilities,
    };
  }

  /** The directions that one stage writes. */
  private written(stage: number, residual: readonly (readonly Reading[])[]): PicturedDirections[] {
    return this.groups.flatMap(({ label, kind, count, stage: own }, g): PicturedDirections[] => {
      if (own !== stage) return [];
      const node = this.nodes.get(label);
      const cells = residual.map((readings, p) => this.reading(readings.find(({ group }) => group === g), p === 0));
      return [{ op: node ? this.displayName(node) : label, kind, count, place: node ? placeOf(node, this.source) : null, cells }];
    });
  }

  /** What a number holds at BOS is a default for those that attend to it, and no result. */
  private reading(reading: Reading | undefined, atBos: boolean): string {
    if (reading === undefined) return '';
    if (reading.kind === 'number') return atBos ? '' : cell(reading.value);
    const { values } = reading;
    return values.length > mostValues ? `one of ${values.length}` : values.map((value) => cell(value)).join(' | ');
  }

  /** Its name in the source, or its text. */
  private displayName(node: Node): string {
    if (node.name !== undefined) return node.name;
    const { file, start, end } = node.origin.span;
    if (file !== this.source.path) return nameOf(node);
    const text = this.source.text.slice(start, end).replaceAll(/\s+/gu, ' ');
    return text.length > longestName ? `${text.slice(0, longestName - 1)}…` : text;
  }

  private interpreted(input: readonly Value[]): TransformerPicture['interpreted'] {
    try {
      const output = interpret(this.program, input, { causal: this.weights.causal });
      return { ok: true, output: output.map((value) => cell(value)) };
    } catch (error) {
      if (error instanceof EvaluationError) return { ok: false, message: error.message };
      throw error;
    }
  }
}

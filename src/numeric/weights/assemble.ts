// From a plan to matrices: layers by stage, heads side by side, the constant direction last.
import type { Plan, PlannedHead, PlannedUnit } from './plan.ts';
import type { Form } from './residual.ts';
import type { Attention, Layer, Matrix, Mlp, Readout, TransformerWeights } from './transformer.ts';
import type { Value } from '../../rasp/program.ts';

export interface AssembleRequest {
  readonly plan: Plan;
  readonly vocabulary: readonly Value[];
  readonly maxLength: number;
  readonly causal: boolean;
  /** The directions that a token or a position switches on. */
  readonly tokenDirections: readonly number[];
  readonly positionDirections: readonly number[];
  readonly readout: Readout;
  readonly unembedding: readonly Form[];
}

export function assemble(request: AssembleRequest): TransformerWeights {
  const { plan, vocabulary, maxLength, causal, readout } = request;
  const { residual } = plan;
  // Last, so that a step's two units, which differ in their constant alone, round alike until it is added.
  const last = [residual.bos, residual.one];
  const order = [...residual.directions.keys()].filter((direction) => !last.includes(direction)).concat(last);
  const row = new Int32Array(order.length);
  order.forEach((direction, i) => (row[direction] = i));
  const dModel = order.length;
  const tokens = [new Map([[residual.bos, 1]]), ...request.tokenDirections.map((direction) => new Map([[direction, 1], [residual.one, 1]]))];
  const positions = [new Map<number, number>(), ...request.positionDirections.map((direction) => new Map([[direction, 1]]))];
  return {
    directions: order.map((direction) => residual.directions[direction] ?? { label: '', values: null, stage: -1 }),
    vocabulary,
    maxLength,
    causal,
    tokenEmbedding: rows(tokens, row, dModel),
    positionEmbedding: rows(Array.from({ length: maxLength + 1 }, (_, i) => positions[i] ?? new Map<number, number>()), row, dModel),
    layers: layersOf(plan, row, dModel),
    unembedding: columns(request.unembedding, row, dModel),
    readout,
  };
}

function layersOf({ heads, units }: Plan, row: Int32Array, dModel: number): Layer[] {
  const last = Math.max(-1, ...heads.map(({ stage }) => stage), ...units.map(({ stage }) => stage));
  return Array.from({ length: Math.floor(last / 2) + 1 }, (_, layer) => ({
    attention: attentionOf(heads.filter(({ stage }) => stage === 2 * layer), row, dModel),
    mlp: mlpOf(units.filter(({ stage }) => stage === 2 * layer + 1), row, dModel),
  }));
}

function attentionOf(heads: readonly PlannedHead[], row: Int32Array, dModel: number): Attention | null {
  if (heads.length === 0) return null;
  const keySize = Math.max(...heads.map(({ query }) => query.length));
  const valueSize = Math.max(...heads.map(({ value }) => value.length));
  const padded = (side: (head: PlannedHead) => readonly Form[], size: number): Form[] =>
    heads.flatMap((head) => Array.from({ length: size }, (_, j) => side(head)[j] ?? new Map<number, number>()));
  const writes = heads.flatMap((head) => Array.from({ length: valueSize }, (_, j): Form => {
    const direction = head.writes[j];
    return new Map(direction === undefined ? [] : [[direction, 1]]);
  }));
  return {
    heads: heads.map(({ label, node, query, value }) => ({ label, node, keySize: query.length, valueSize: value.length })),
    keySize,
    valueSize,
    query: columns(padded(({ query }) => query, keySize), row, dModel),
    key: columns(padded(({ key }) => key, keySize), row, dModel),
    value: columns(padded(({ value }) => value, valueSize), row, dModel),
    output: rows(writes, row, dModel),
  };
}

function mlpOf(units: readonly PlannedUnit[], row: Int32Array, dModel: number): Mlp | null {
  if (units.length === 0) return null;
  return { input: columns(units.map(({ reads }) => reads), row, dModel), output: rows(units.map(({ writes }) => writes), row, dModel) };
}

/** [forms, d_model] */
function rows(forms: readonly Form[], row: Int32Array, dModel: number): Matrix {
  const data = new Float32Array(forms.length * dModel);
  forms.forEach((form, i) => {
    for (const [direction, coefficient] of form) data[i * dModel + (row[direction] ?? 0)] = coefficient;
  });
  return { rows: forms.length, columns: dModel, data };
}

/** [d_model, forms] */
function columns(forms: readonly Form[], row: Int32Array, dModel: number): Matrix {
  const data = new Float32Array(dModel * forms.length);
  forms.forEach((form, j) => {
    for (const [direction, coefficient] of form) data[(row[direction] ?? 0) * forms.length + j] = coefficient;
  });
  return { rows: dModel, columns: forms.length, data };
}

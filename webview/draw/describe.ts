// What the picture shows, in words: for screen readers, the table and the line below the picture.
import type { Drawing, DrawnMatrix, DrawnSequence } from '../../src/shared/drawing.ts';

/** The ops by layer, lowest first; in a layer in the order of computation. */
export function layersOf({ ops }: Drawing): [number, Drawing['ops']][] {
  const layers = [...new Set(ops.map(({ layer }) => layer))].sort((a, b) => a - b);
  return layers.map((layer) => [layer, ops.filter((op) => op.layer === layer)]);
}

const heading = ({ name, formula }: DrawnSequence | DrawnMatrix): string => (name === formula ? name : `${name} = ${formula}`);

export function describeOp(op: DrawnSequence | DrawnMatrix, drawing: Drawing): string {
  return op.kind === 'sequence' ? `${heading(op)}: ${op.values.join(', ')}` : `${heading(op)}: ${selectionTexts(op, drawing).join('; ')}`;
}

/** For each query position, the key positions that it selects. */
export function selectionTexts({ rows, keys, queries }: DrawnMatrix, { input }: Drawing): string[] {
  return rows.map((row, q) => {
    const chosen = row.flatMap((selected, k) => (selected ? [`${k} (${keys[k] ?? input[k] ?? ''})`] : []));
    return `${q} (${queries[q] ?? input[q] ?? ''}) → ${chosen.length === 0 ? 'nothing' : chosen.join(', ')}`;
  });
}

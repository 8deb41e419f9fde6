// Layers as people write them: “3”, “2-5”.

export type LayersResult = { readonly ok: true; readonly layers: readonly number[] } | { readonly ok: false; readonly message: string };

/** @param count how many layers the model has, from 0 */
export function readLayers(text: string, count: number): LayersResult {
  const found = /^\s*(\d{1,6})\s*(?:-\s*(\d{1,6})\s*)?$/.exec(text);
  const [first, last] = [Number(found?.[1]), Number(found?.[2] ?? found?.[1])];
  if (!found) return { ok: false, message: `“${text}” names no layers. Write one as 3 or several as 2-5; the model has the layers 0 to ${count - 1}.` };
  if (last >= count || first >= count) return { ok: false, message: `The model has no layer ${Math.max(first, last)}: its layers are 0 to ${count - 1}.` };
  if (last < first) return { ok: false, message: `“${text}” ends before it begins. Write ${last}-${first}.` };
  return { ok: true, layers: Array.from({ length: last - first + 1 }, (_, i) => first + i) };
}

/** “2-5”, or “0, 2-3” where there are gaps. */
export function layersText(layers: readonly number[]): string {
  const runs: [number, number][] = [];
  for (const layer of [...layers].sort((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last?.[1] === layer - 1) last[1] = layer;
    else runs.push([layer, layer]);
  }
  return runs.map(([first, last]) => (first === last ? String(first) : `${first}-${last}`)).join(', ');
}

// What the residual stream holds at the final token of many statements: the features that probes are trained on.
import type { FeatureMatrix } from './features.ts';
import type { ResidualReader } from './residualReader.ts';
import type { ReadText } from './statements.ts';
import { survivingDeaths } from '../runtime/client.ts';
import type { CancellationToken } from '../shared/cancellation.ts';
import { neverCancelled, throwIfCancelled } from '../shared/cancellation.ts';

export interface CaptureOptions {
  /** Tokens of a pass, padding among them, at most (one text may have more). */
  readonly tokensPerPass?: number;
  readonly token?: CancellationToken;
  /** Texts done so far, of all. */
  readonly onProgress?: (done: number, all: number) => void;
}

/**
 * The hidden state at each text's last token, by site: [texts, hidden]. One forward pass for each text, texts of like
 * length together, padded on the right, which changes nothing before it.
 * @throws RuntimeError, HostDiedError, CancelledError
 */
export async function captureFinalStates(reader: ResidualReader, texts: readonly Pick<ReadText, 'ids'>[], { tokensPerPass = 4096, token = neverCancelled, onProgress }: CaptureOptions = {}): Promise<ReadonlyMap<string, FeatureMatrix>> {
  const byLength = [...texts.keys()].sort((a, b) => lengthOf(texts, a) - lengthOf(texts, b));
  const captured = new Map<string, { rows: number; width: number; data: Float32Array }>();
  for (let at = 0; at < byLength.length;) {
    throwIfCancelled(token);
    const batch = batchFrom(byLength, at, texts, tokensPerPass);
    const states = await survivingDeaths(() => finalStates(reader, batch.map((text) => texts[text]?.ids ?? []), token));
    for (const [site, { width, rows }] of states) {
      const all = captured.get(site) ?? { rows: texts.length, width, data: new Float32Array(texts.length * width) };
      captured.set(site, all);
      batch.forEach((text, i) => all.data.set(rows[i] ?? [], text * width));
    }
    at += batch.length;
    onProgress?.(at, texts.length);
  }
  return captured;
}

const lengthOf = (texts: readonly Pick<ReadText, 'ids'>[], text: number): number => texts[text]?.ids.length ?? 0;

function batchFrom(order: readonly number[], at: number, texts: readonly Pick<ReadText, 'ids'>[], most: number): readonly number[] {
  let end = at + 1;
  while (end < order.length && lengthOf(texts, order[end] ?? 0) * (end + 1 - at) <= most) end++;
  return order.slice(at, end);
}

async function finalStates(reader: ResidualReader, rows: readonly (readonly number[])[], token: CancellationToken): Promise<ReadonlyMap<string, { readonly width: number; readonly rows: readonly Float32Array[] }>> {
  const lengths = rows.map(({ length }) => length);
  const [shortest, longest] = [Math.min(...lengths), Math.max(...lengths)];
  const padded = (row: readonly number[], filler: number): number[] => [...row, ...new Array<number>(longest - row.length).fill(filler)];
  const read = await reader.read({
    ids: rows.map((row) => padded(row, 0)), mask: rows.map((row) => padded(row.map(() => 1), 0)), past: 0, positions: [shortest - 1, longest], token,
  });
  return new Map([...read].map(([site, { dims: [, positions = 0, width = 0], data }]) => [site, {
    width,
    rows: lengths.map((length, b) => data.subarray((b * positions + length - shortest) * width, (b * positions + length - shortest + 1) * width)),
  }]));
}

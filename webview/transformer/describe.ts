// What the picture of a transformer shows, in words: for screen readers, the tables and the line below the picture.
import type { PicturedDirections, PicturedHead, PicturedLayer, PicturedShape, TransformerPicture } from '../../src/shared/transformerPicture.ts';

export const count = (n: number, noun: string): string => `${n.toLocaleString('en')} ${noun}${n === 1 ? '' : 's'}`;

/** The input with BOS, one text a position. */
export const positionsOf = ({ input }: TransformerPicture): readonly string[] => ['BOS', ...input];

/** A probability to two digits, without zeros that say nothing. */
export const percent = (p: number): string => (p < 0.005 ? '0' : p > 0.995 ? '1' : p.toFixed(2));

export function headTitle({ op, selector }: PicturedHead): string {
  return selector === null ? `${op}: counts every position` : `${op}, through ${selector}`;
}

export function lineText({ selectorPlace, opPlace }: PicturedHead): string {
  const place = selectorPlace ?? opPlace;
  return place ? `line ${place.line}` : 'not in this file';
}

/** Which keys each query attends to. */
export function attentionTexts({ probabilities }: PicturedHead, positions: readonly string[]): string[] {
  return probabilities.map((row, q) => {
    const chosen = row.flatMap((p, k) => (p < 0.005 ? [] : [`${positions[k] ?? ''} at ${k} (${percent(p)})`]));
    return `${positions[q] ?? ''} at ${q} attends to ${chosen.join(', ')}`;
  });
}

export const describeHead = (head: PicturedHead, positions: readonly string[]): string =>
  `Head ${headTitle(head)}, ${lineText(head)}. ${attentionTexts(head, positions).join('; ')}`;

export const directionsTitle = ({ op, kind, count: n }: PicturedDirections): string => (kind === 'number' ? `${op} (a number)` : `${op} (${count(n, 'direction')})`);

export function describeDirections(directions: PicturedDirections): string {
  const { place, cells } = directions;
  return `${directionsTitle(directions)}${place ? `, line ${place.line}` : ''}: ${cells.slice(1).map((text) => text || 'nothing').join(', ')}`;
}

export function layerTitle({ heads, hidden }: PicturedLayer, l: number): string {
  const parts = [...(heads.length > 0 ? [count(heads.length, 'head')] : []), ...(hidden > 0 ? [`MLP of ${hidden.toLocaleString('en')}`] : [])];
  return [`Layer ${l + 1}`, ...parts].join(' · ');
}

export function shapeTexts({ layers, heads, keySize, mlpHidden, dModel, parameters, nonzero }: PicturedShape): [string, string][] {
  return [
    ['layers', layers.toLocaleString('en')],
    ['d_model', dModel.toLocaleString('en')],
    ['heads', layers === 0 ? '0' : `up to ${heads}, of key size ${keySize}`],
    ['MLP width', `up to ${mlpHidden.toLocaleString('en')}`],
    ['parameters', `${parameters.toLocaleString('en')}, ${nonzero.toLocaleString('en')} of them not 0`],
  ];
}

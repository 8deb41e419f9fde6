// The picture of a transformer: layer by layer who attends to whom, and what the heads and the MLP write into the stream.
import type { PicturedDirections, PicturedHead, SourcePlace, TransformerPicture } from '../../src/shared/transformerPicture.ts';
import { describeDirections, describeHead, directionsTitle, layerTitle, lineText, positionsOf } from './describe.ts';
import type { Block } from '../picture/blocks.ts';
import { part, Sheet, shortened, textWidth } from '../picture/blocks.ts';
import type { Palette } from '../svg.ts';
import { svg } from '../svg.ts';

const longestText = 9;
const side = 20;
const rowHeight = 24;
const gap = 16;

/** The whole picture as one SVG; heads wrap at the width. */
export function picture(shown: TransformerPicture, palette: Palette, width: number): SVGElement {
  return new Painter(shown, palette, Math.max(width, 240)).whole();
}

class Painter {
  private readonly positions: readonly string[];
  private readonly cell: number;
  /** Where cells begin; 0 where there is no room for titles beside them, which then stand above. */
  private readonly margin: number;
  private readonly sheet: Sheet;

  constructor(
    private readonly shown: TransformerPicture,
    private readonly palette: Palette,
    private readonly width: number,
  ) {
    this.sheet = new Sheet(palette);
    this.positions = positionsOf(shown).map(cellText);
    const directions = [...shown.embedding, ...shown.layers.flatMap(({ attended, computed }) => [...attended, ...computed])];
    const texts = [...this.positions, ...shown.output, ...directions.flatMap(({ cells }) => cells)].map(cellText);
    this.cell = Math.max(28, Math.ceil(Math.max(...texts.map(({ length }) => length)) * textWidth) + 8);
    const titles = directions.map((one) => rowTitle(one).length);
    const margin = Math.ceil(Math.max(8, ...titles) * textWidth) + 10;
    this.margin = margin + this.positions.length * this.cell <= this.width ? margin : 0;
  }

  whole(): SVGElement {
    const { embedding, layers, output } = this.shown;
    this.stage('Embedding', [], embedding);
    layers.forEach((layer, l) => {
      this.heading(layerTitle(layer, l));
      if (layer.heads.length > 0) this.stage('Attention', layer.heads, layer.attended);
      if (layer.hidden > 0) this.stage('MLP writes', [], layer.computed);
    });
    this.heading('Output');
    this.sheet.place(this.row('', ['', ...output], true));
    return this.sheet.whole();
  }

  private heading(text: string): void {
    this.sheet.y += gap / 2;
    this.sheet.heading(text);
  }

  /** The heads side by side, then a row for each result that is written. */
  private stage(name: string, heads: readonly PicturedHead[], written: readonly PicturedDirections[]): void {
    const { sheet } = this;
    sheet.rows(heads.map((head) => this.head(head)), this.width, { between: 28, below: gap });
    if (written.length === 0) return;
    sheet.place(this.row(heads.length > 0 ? 'Heads write' : name, this.positions, false));
    sheet.y += (this.margin === 0 ? 2 : 1) * rowHeight - 4;
    for (const directions of written) {
      const block = this.row(rowTitle(directions), directions.cells, true);
      sheet.place(focusable(block, describeDirections(directions), directions.place));
      sheet.y += block.height + 4;
    }
    sheet.y += gap / 2;
  }

  private row(title: string, cells: readonly string[], strong: boolean): Block {
    const { foreground, muted, line } = this.palette;
    const top = this.margin === 0 && title !== '' ? rowHeight - 4 : 0;
    const children = cells.flatMap((text, i) => {
      const x = this.margin + i * this.cell;
      const label = svg('text', { x: x + this.cell / 2, y: top + 15.5, fill: strong ? foreground : muted, 'text-anchor': 'middle' }, cellText(text));
      return strong ? [svg('rect', { x: x + 0.5, y: top + 0.5, width: this.cell, height: rowHeight - 4, fill: 'none', stroke: line, 'stroke-width': 0.75 }), label] : [label];
    });
    const heading = svg('text', { x: 0, y: 15.5, fill: strong ? foreground : muted }, title);
    const width = Math.max(this.margin + cells.length * this.cell, title.length * textWidth);
    return { element: svg('g', {}, heading, ...children), width, height: top + rowHeight - 4 };
  }

  private head(head: PicturedHead): Block {
    const { foreground, muted } = this.palette;
    const longest = Math.max(2, ...this.positions.map(({ length }) => length));
    const left = longest * textWidth + 8;
    const top = 36 + longest * textWidth + 4;
    const through = `${head.selector === null ? 'every position' : shortened(head.selector, longestTitle)} · ${lineText(head)}`;
    const op = shortened(head.op, longestTitle);
    const titles = [
      svg('text', { x: 0, y: 12, fill: foreground, 'font-weight': 600 }, op),
      svg('text', { x: 0, y: 28, fill: muted }, through),
    ];
    const n = this.positions.length;
    const width = Math.max(op.length * 7.8, through.length * textWidth, left + n * side);
    const height = top + n * side + 2;
    const block = { element: svg('g', {}, ...titles, ...this.keys(left, top), ...this.queries(left, top), ...this.squares(head, left, top)), width, height };
    return focusable(block, describeHead(head, positionsOf(this.shown)), head.selectorPlace ?? head.opPlace);
  }

  private keys(left: number, top: number): SVGElement[] {
    return this.positions.map((text, k) => {
      const x = left + (k + 0.5) * side;
      return svg('text', { x, y: top - 4, fill: this.palette.muted, transform: `rotate(-90 ${x} ${top - 4}) translate(0 4)` }, text);
    });
  }

  private queries(left: number, top: number): SVGElement[] {
    return this.positions.map((text, q) => svg('text', { x: left - 6, y: top + q * side + 14.5, fill: this.palette.foreground, 'text-anchor': 'end' }, text));
  }

  /** The area of a square is the probability, so that colour is not the only carrier. */
  private squares({ probabilities }: PicturedHead, left: number, top: number): SVGElement[] {
    const { line, accent } = this.palette;
    const n = probabilities.length;
    const lines = Array.from({ length: n + 1 }, (_, i) => [
      svg('line', { x1: left, y1: top + i * side + 0.5, x2: left + n * side, y2: top + i * side + 0.5, stroke: line, 'stroke-width': 0.5 }),
      svg('line', { x1: left + i * side + 0.5, y1: top, x2: left + i * side + 0.5, y2: top + n * side, stroke: line, 'stroke-width': 0.5 }),
    ]).flat();
    const squares = probabilities.flatMap((row, q) =>
      row.flatMap((p, k) => {
        if (p < 0.005) return [];
        const size = (side - 4) * Math.sqrt(p);
        return [svg('rect', { x: left + (k + 0.5) * side + 0.5 - size / 2, y: top + (q + 0.5) * side + 0.5 - size / 2, width: size, height: size, fill: accent })];
      }),
    );
    return [...lines, ...squares];
  }
}

/** A part that leads to its source, wherever on it one clicks. */
function focusable({ element, width, height }: Block, label: string, place: SourcePlace | null): Block {
  const ground = svg('rect', { width, height, fill: 'transparent' });
  const target = place ? { class: 'op linked', role: 'link', 'data-start': place.start, 'data-end': place.end } : {};
  return part({ element: svg('g', {}, ground, element), width, height }, label, target);
}

const longestTitle = 28;
const rowTitle = (directions: PicturedDirections): string => directionsTitle({ ...directions, op: shortened(directions.op, 20) });
const cellText = (text: string): string => shortened(text, longestText);

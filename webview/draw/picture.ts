// The picture: layer by layer the attention matrices, what they bring from where, and what is computed position by position.
import type { Drawing, DrawnMatrix, DrawnSequence } from '../../src/shared/drawing.ts';
import { describeOp, layersOf } from './describe.ts';
import type { Block } from '../picture/blocks.ts';
import { part, Sheet, shortened, textWidth } from '../picture/blocks.ts';
import type { Palette } from '../svg.ts';
import { svg } from '../svg.ts';

const rowHeight = 22;
const gap = 14;
const flowHeight = 46;
const longestText = 9;

/** The whole drawing as one SVG, at least as wide as asked for where there is enough to show. */
export function picture(drawing: Drawing, palette: Palette, width: number): SVGElement {
  const painter = new Painter(drawing, palette);
  const sheet = new Sheet(palette);
  for (const [layer, ops] of layersOf(drawing)) {
    sheet.heading(layer === 0 ? 'Input' : `Layer ${layer}`);
    sheet.rows(painter.matrices(ops), Math.max(width, 240), { between: 24, below: gap });
    for (const block of painter.sequences(ops)) {
      sheet.place(block);
      sheet.y += block.height + gap;
    }
    sheet.y += 8;
  }
  return sheet.whole();
}

class Painter {
  private readonly sequencesById: ReadonlyMap<number, DrawnSequence>;
  private readonly matricesById: ReadonlyMap<number, DrawnMatrix>;
  private readonly cell: number;

  constructor(
    private readonly drawing: Drawing,
    private readonly palette: Palette,
  ) {
    const all = drawing.ops;
    this.sequencesById = new Map(all.flatMap((op) => (op.kind === 'sequence' ? [[op.id, op] as const] : [])));
    this.matricesById = new Map(all.flatMap((op) => (op.kind === 'matrix' ? [[op.id, op] as const] : [])));
    const longest = Math.max(1, ...all.flatMap((op) => (op.kind === 'sequence' ? op.values : [])).map((text) => cellText(text).length));
    this.cell = Math.max(24, Math.ceil(longest * textWidth) + 8);
  }

  matrices(ops: Drawing['ops']): Block[] {
    return ops.flatMap((op) => (op.kind === 'matrix' ? [this.matrix(op)] : []));
  }

  sequences(ops: Drawing['ops']): Block[] {
    return ops.flatMap((op) => (op.kind === 'sequence' ? [op.attention ? this.attended(op) : this.plain(op)] : []));
  }

  private group(op: DrawnSequence | DrawnMatrix, width: number, height: number, ...children: readonly SVGElement[]): Block {
    return part({ element: svg('g', {}, ...children), width, height }, describeOp(op, this.drawing), { 'data-op': op.id });
  }

  /** Its name, and how it is computed where that says more. */
  private title(op: DrawnSequence | DrawnMatrix): { element: SVGElement; width: number } {
    const { foreground, muted } = this.palette;
    const formula = op.formula === op.name ? '' : ` = ${shortened(op.formula, 60)}`;
    const element = svg('text', { x: 0, y: 12 }, svg('tspan', { fill: foreground, 'font-weight': 600 }, op.name), svg('tspan', { fill: muted }, formula));
    return { element, width: (op.name.length + formula.length) * textWidth };
  }

  private cells(values: readonly string[], y: number, strong: boolean): SVGElement[] {
    const { foreground, line } = this.palette;
    return values.flatMap((text, i) => [
      svg('rect', { x: i * this.cell + 0.5, y: y + 0.5, width: this.cell, height: rowHeight, fill: 'none', stroke: line, 'stroke-width': strong ? 1.5 : 0.75 }),
      svg('text', { x: (i + 0.5) * this.cell, y: y + 15.5, fill: foreground, 'text-anchor': 'middle' }, cellText(text)),
    ]);
  }

  private plain(op: DrawnSequence): Block {
    const { element, width } = this.title(op);
    return this.group(op, Math.max(width, op.values.length * this.cell), 18 + rowHeight, element, ...this.cells(op.values, 18, true));
  }

  /** The sequence that is read, lines to where its values go, and what arrives. */
  private attended(op: DrawnSequence): Block {
    const { muted, accent } = this.palette;
    const { element, width } = this.title(op);
    const selector = this.matricesById.get(op.attention?.selector ?? -1);
    const source = this.sequencesById.get(op.attention?.source ?? -1);
    const above = source?.values ?? this.drawing.input;
    const top = 18;
    const bottom = top + rowHeight + flowHeight;
    const lines = (selector?.rows ?? []).flatMap((row, q) =>
      row.flatMap((selected, k) =>
        selected ? [svg('line', { x1: (k + 0.5) * this.cell, y1: top + rowHeight + 1, x2: (q + 0.5) * this.cell, y2: bottom, stroke: accent, 'stroke-width': 1.25, 'stroke-opacity': 0.75 })] : [],
      ),
    );
    const right = op.values.length * this.cell + 8;
    const note = (text: string, y: number): SVGElement => svg('text', { x: right, y: y + 15.5, fill: muted }, text);
    const names = [source?.name ?? (op.attention?.source === null ? 'positions counted' : 'input'), op.name];
    const [from = '', to = ''] = names.map((name) => shortened(name, 30));
    const whole = Math.max(width, right + Math.max(from.length, to.length) * textWidth);
    return this.group(op, whole, bottom + rowHeight, element, ...this.cells(above, top, false), ...lines, ...this.cells(op.values, bottom, true), note(from, top), note(to, bottom));
  }

  private matrix(op: DrawnMatrix): Block {
    const { foreground, muted, line, accent } = this.palette;
    const size = 20;
    const { element, width } = this.title(op);
    const keys = op.keys.map(cellText);
    const queries = op.queries.map(cellText);
    const left = Math.max(2, ...queries.map(({ length }) => length)) * textWidth + 8;
    // Long keys do not fit above their columns side by side: they stand upright.
    const upright = keys.some(({ length }) => length > 2);
    const head = 20 + (upright ? Math.max(...keys.map(({ length }) => length)) * textWidth + 4 : 16);
    const keyTexts = keys.map((text, k) => {
      const x = left + (k + 0.5) * size;
      return upright
        ? svg('text', { x, y: head - 4, fill: muted, transform: `rotate(-90 ${x} ${head - 4}) translate(0 4)` }, text)
        : svg('text', { x, y: head - 4, fill: muted, 'text-anchor': 'middle' }, text);
    });
    const rows = op.rows.flatMap((row, q) => [
      svg('text', { x: left - 6, y: head + q * size + 14.5, fill: foreground, 'text-anchor': 'end' }, queries[q] ?? ''),
      ...row.flatMap((selected, k) => {
        const [x, y] = [left + k * size, head + q * size];
        const cell = svg('rect', { x: x + 0.5, y: y + 0.5, width: size, height: size, fill: 'none', stroke: line, 'stroke-width': 0.5 });
        return selected ? [svg('rect', { x: x + 2.5, y: y + 2.5, width: size - 4, height: size - 4, fill: accent }), cell] : [cell];
      }),
    ]);
    return this.group(op, Math.max(width, left + keys.length * size), head + queries.length * size + 2, element, ...keyTexts, ...rows);
  }
}

const cellText = (text: string): string => (text === ' ' ? '␣' : shortened(text, longestText));

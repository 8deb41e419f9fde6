// The picture: tokens by layers as squares, whose area is the strength; filled ones push towards the preferred answer, hollow ones away.
import { tokenLabel, tokenText } from './describe.ts';
import type { Block } from '../picture/blocks.ts';
import { part, Sheet, shortened, textWidth } from '../picture/blocks.ts';
import type { Palette } from '../svg.ts';
import { svg } from '../svg.ts';
import type { AttributedImage, Attribution } from '../../src/shared/attributionMessages.ts';
import { natsText, quoted } from '../../src/shared/attributionMessages.ts';

/** Two colours that tell the answers apart beside the squares' form. */
export interface PushColours {
  readonly positive: string;
  readonly negative: string;
}

const cell = 18;
const longestToken = 16;
/** More rows than this would make the page slow: the strongest tokens are shown, in the order of the text. */
export const mostRows = 400;

export function picture(attribution: Attribution, pixels: string | null, palette: Palette, colours: PushColours): SVGElement {
  const painter = new Painter(attribution, palette, colours);
  const sheet = new Sheet(palette);
  sheet.heading(`What pushes ${shortened(quoted(attribution.preferred), 30)} over ${shortened(quoted(attribution.dispreferred), 30)}`);
  for (const block of painter.legend()) place(sheet, block, 4);
  sheet.y += 8;
  if (attribution.image && pixels) place(sheet, painter.image(attribution.image, pixels), 14);
  place(sheet, painter.head(), 2);
  for (const token of shownTokens(attribution)) place(sheet, painter.row(token), 0);
  return sheet.whole();
}

function place(sheet: Sheet, block: Block, below: number): void {
  sheet.place(block, 4);
  sheet.y += block.height + below;
}

/** Tokens of the text, without the image's, and at most so many. */
export function shownTokens({ tokens, image }: Attribution): readonly number[] {
  const places = tokens.map((_, i) => i).filter((i) => !image?.tokens.includes(i));
  if (places.length <= mostRows) return places;
  const strongest = new Set([...places].sort((a, b) => Math.abs(tokens[b]?.value ?? 0) - Math.abs(tokens[a]?.value ?? 0)).slice(0, mostRows));
  return places.filter((i) => strongest.has(i));
}

class Painter {
  private readonly scale: number;
  private readonly left: number;

  constructor(
    private readonly attribution: Attribution,
    private readonly palette: Palette,
    private readonly colours: PushColours,
  ) {
    const { tokens, layers } = attribution;
    this.scale = [...tokens.map(({ value }) => value), ...layers.flatMap(({ values }) => values)].reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const longest = Math.max(4, ...shownTokens(attribution).map((i) => Math.min(longestToken, tokenText(tokens[i] ?? { text: '' }).length)));
    this.left = Math.ceil(longest * textWidth) + 8;
  }

  legend(): Block[] {
    const { attribution: { preferred, dispreferred }, palette } = this;
    const line = (value: number, text: string): Block => ({ element: svg('g', {}, this.square(8, 8, value, 14), svg('text', { x: 22, y: 12.5, fill: palette.foreground }, text)), width: 22 + text.length * textWidth, height: 16 });
    return [line(this.scale, `towards ${shortened(quoted(preferred), 30)}`), line(-this.scale, `towards ${shortened(quoted(dispreferred), 30)}`), { element: svg('text', { x: 0, y: 12.5, fill: palette.muted }, `largest square: ${natsText(this.scale).slice(1)} nats`), width: 220, height: 16 }];
  }

  /** What the columns are. */
  head(): Block {
    const { palette, attribution: { layers } } = this;
    const text = (label: string, column: number): SVGElement => svg('text', { x: this.centre(column), y: 13, fill: palette.muted, 'text-anchor': 'middle', 'font-size': 10.5 }, label);
    const labels = ['in', ...layers.map(({ layer }) => String(layer))];
    return { element: svg('g', {}, ...labels.map(text)), width: this.left + labels.length * cell, height: 16 };
  }

  row(index: number): Block {
    const { attribution, palette } = this;
    const token = attribution.tokens[index];
    const values = [token?.value ?? 0, ...attribution.layers.map(({ values: own }) => own[index] ?? 0)];
    const width = this.left + values.length * cell;
    const label = svg('text', { x: this.left - 6, y: 13, fill: token?.rank === null ? palette.muted : palette.foreground, 'text-anchor': 'end', 'font-weight': token?.set ? 600 : 400 }, shortened(tokenText(token ?? { text: '' }), longestToken));
    const rule = svg('line', { x1: this.left + cell, y1: 0, x2: this.left + cell, y2: cell, stroke: palette.line, 'stroke-width': 0.5 });
    const squares = values.map((value, column) => this.square(this.centre(column), cell / 2, value, cell - 3));
    return part({ element: svg('g', {}, ground(width, cell), label, rule, ...squares), width, height: cell }, tokenLabel(attribution, index), { 'data-token': index });
  }

  image({ rows, columns, width, height, tokens }: AttributedImage, pixels: string): Block {
    const size = { width: 240, height: Math.round((240 * height) / width) };
    const [patchWidth, patchHeight] = [size.width / columns, size.height / rows];
    const side = Math.min(patchWidth, patchHeight) * 0.8;
    const patches = tokens.map((token, i) => {
      const [column, row] = [i % columns, Math.floor(i / columns)];
      const square = this.square(patchWidth / 2, patchHeight / 2, this.attribution.tokens[token]?.value ?? 0, side, true);
      const { element } = part({ element: svg('g', {}, ground(patchWidth, patchHeight), square), width: patchWidth, height: patchHeight }, tokenLabel(this.attribution, token), { 'data-token': token });
      return svg('g', { transform: `translate(${column * patchWidth} ${row * patchHeight})` }, element);
    });
    const picture = svg('image', { href: pixels, x: 0, y: 0, ...size, preserveAspectRatio: 'none', style: 'image-rendering: pixelated' });
    const frame = svg('rect', { x: 0, y: 0, ...size, fill: 'none', stroke: this.palette.line });
    return { element: svg('g', {}, picture, frame, ...patches), ...size };
  }

  private readonly centre = (column: number): number => this.left + column * cell + cell / 2;

  /** @param over a picture, on which no colour is sure to be seen */
  private square(x: number, y: number, value: number, largest: number, over = false): SVGElement {
    const side = this.scale > 0 ? largest * Math.sqrt(Math.abs(value) / this.scale) : 0;
    // On a picture, what is too weak would only hide it.
    if (side < (over ? 4 : 0.6)) return svg('g');
    const box = { x: x - side / 2, y: y - side / 2, width: side, height: side };
    const halo = over ? [svg('rect', { ...box, fill: 'none', stroke: this.palette.background, 'stroke-width': 3 })] : [];
    if (value > 0) return svg('g', {}, ...halo, svg('rect', { ...box, fill: this.colours.positive }));
    const inset = Math.min(1.5, side / 4);
    const inner = { x: box.x + inset / 2, y: box.y + inset / 2, width: side - inset, height: side - inset };
    return svg('g', {}, ...halo, svg('rect', { ...inner, fill: 'none', stroke: this.colours.negative, 'stroke-width': inset }));
  }
}

/** Takes the pointer where nothing is drawn. */
const ground = (width: number, height: number): SVGElement => svg('rect', { x: 0, y: 0, width, height, fill: 'transparent' });

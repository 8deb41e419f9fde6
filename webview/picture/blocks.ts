// What pictures of computations are made of: blocks on a sheet, and parts that the keyboard reaches and that say what they show.
import type { Palette } from '../svg.ts';
import { svg } from '../svg.ts';

/** The width of a character at the pictures' font size. */
export const textWidth = 7.3;

export interface Block {
  readonly element: SVGElement;
  readonly width: number;
  readonly height: number;
}

/** Blocks placed from the top down on a ground as large as they need. */
export class Sheet {
  private readonly parts: SVGElement[] = [];
  private right = 0;
  /** Where the next block goes. */
  y = 4;

  constructor(private readonly palette: Palette) {}

  place(block: Block, x = 0): void {
    block.element.setAttribute('transform', `translate(${x} ${this.y})`);
    this.parts.push(block.element);
    this.right = Math.max(this.right, x + block.width);
  }

  heading(text: string): void {
    const element = svg('text', { x: 0, y: 14, fill: this.palette.foreground, 'font-weight': 600, 'font-size': 13 }, text);
    this.place({ element, width: text.length * 8, height: 18 });
    this.y += 26;
  }

  /** Blocks side by side, in as many rows as the width asks for. */
  rows(blocks: readonly Block[], width: number, gap: { readonly between: number; readonly below: number }): void {
    for (const row of wrapped(blocks, width, gap.between)) {
      let x = 0;
      for (const block of row) {
        this.place(block, x);
        x += block.width + gap.between;
      }
      this.y += Math.max(...row.map(({ height }) => height)) + gap.below;
    }
  }

  whole(): SVGElement {
    const size = { width: Math.ceil(this.right + 4), height: Math.ceil(this.y) };
    const ground = svg('rect', { ...size, fill: this.palette.background });
    return svg('svg', { xmlns: 'http://www.w3.org/2000/svg', ...size, viewBox: `0 0 ${size.width} ${size.height}`, 'font-family': this.palette.font, 'font-size': 12 }, ground, ...this.parts);
  }
}

function wrapped(blocks: readonly Block[], width: number, between: number): Block[][] {
  const rows: Block[][] = [];
  let used = Infinity;
  for (const block of blocks) {
    if (used + block.width > width) {
      rows.push([]);
      used = 0;
    }
    rows.at(-1)?.push(block);
    used += block.width + between;
  }
  return rows;
}

/** A part that takes the keyboard's focus, in a frame that then shows, and whose label is also its tooltip. */
export function part({ element, width, height }: Block, label: string, attributes: Readonly<Record<string, string | number>> = {}): Block {
  const frame = svg('rect', { class: 'focus', x: -3, y: -3, width: width + 6, height: height + 6, rx: 3, fill: 'none', stroke: 'none' });
  const group = svg('g', { class: 'op', tabindex: -1, role: 'img', 'aria-label': label, ...attributes }, svg('title', {}, label), frame, element);
  return { element: group, width, height };
}

/** A text of at most so many characters. */
export const shortened = (text: string, longest: number): string => (text.length > longest ? `${text.slice(0, longest - 1)}…` : text);

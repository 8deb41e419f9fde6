// SVG elements out of text and numbers, never out of markup.

const namespace = 'http://www.w3.org/2000/svg';

type Attributes = Readonly<Record<string, string | number>>;

/** An SVG element with attributes and children; a string child is text. */
export function svg(tag: string, attributes: Attributes = {}, ...children: readonly (SVGElement | string)[]): SVGElement {
  const node = document.createElementNS(namespace, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}

export interface Palette {
  readonly foreground: string;
  readonly muted: string;
  readonly line: string;
  readonly accent: string;
  /** For what goes the other way. */
  readonly contrary: string;
  /** Text on the accent. */
  readonly onAccent: string;
  readonly background: string;
  readonly font: string;
}

/** The theme's colours as they are now, so that a saved picture looks as it did. */
export function themePalette(): Palette {
  const style = getComputedStyle(document.body);
  const token = (name: string, otherwise: string): string => style.getPropertyValue(name).trim() || otherwise;
  const foreground = token('--vscode-foreground', style.color);
  return {
    foreground,
    muted: token('--vscode-descriptionForeground', foreground),
    line: token('--vscode-contrastBorder', '') || token('--vscode-editorIndentGuide-activeBackground', '') || token('--vscode-descriptionForeground', foreground),
    accent: token('--vscode-charts-blue', foreground),
    contrary: token('--vscode-charts-orange', foreground),
    onAccent: token('--vscode-editor-background', 'white'),
    background: token('--vscode-editor-background', style.backgroundColor),
    font: token('--vscode-editor-font-family', 'monospace'),
  };
}

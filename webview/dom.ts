// Small helpers to build pages out of text, never out of markup.

type Child = Node | string | null;

/** An element with attributes and children. Text is always text. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string>> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children.filter((child) => child !== null));
  return node;
}

/** A table with a head that scrolls sideways in its own box. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): HTMLElement {
  const cells = (tag: 'th' | 'td', texts: readonly string[]): HTMLElement[] => texts.map((text) => element(tag, tag === 'th' ? { scope: 'col' } : {}, text));
  return element('div', { class: 'scroll' }, element('table', {}, element('thead', {}, element('tr', {}, ...cells('th', head))), element('tbody', {}, ...rows.map((row) => element('tr', {}, ...cells('td', row))))));
}

/** A secondary button of the toolkit. */
export function button(label: string, onClick: () => void): HTMLElement {
  const node = document.createElement('vscode-button');
  node.setAttribute('appearance', 'secondary');
  node.textContent = label;
  node.addEventListener('click', onClick);
  return node;
}

// What Python's string literals stand for.

/** The text of a string literal, with its prefix and quotes. */
export function unquote(text: string): string {
  const head = /^([a-zA-Z]*)("""|'''|"|')/.exec(text);
  if (!head) return text;
  const body = text.slice(head[0].length, text.length - (head[2]?.length ?? 1));
  return /r/i.test(head[1] ?? '') ? body : unescape(body);
}

const escapes: Record<string, string> = { n: '\n', t: '\t', r: '\r', '\\': '\\', "'": "'", '"': '"', '0': '\0', '\n': '' };

export const unescape = (text: string): string => text.replaceAll(/\\([\s\S])/g, (whole, c: string) => escapes[c] ?? whole);

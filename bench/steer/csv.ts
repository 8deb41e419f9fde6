// Comma-separated values (RFC 4180), with quoted cells and line breaks in them.

/** Rows as objects by the names of the first row. */
export function csvRows(text: string): readonly Readonly<Record<string, string>>[] {
  const rows: string[][] = [[]];
  const cell = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/gy;
  for (let match = cell.exec(text); match; match = cell.exec(text)) {
    rows.at(-1)?.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? '');
    if (match[3] === '' || cell.lastIndex === text.length) break;
    if (match[3] !== ',') rows.push([]);
  }
  const [names = [], ...values] = rows;
  return values.map((row) => Object.fromEntries(names.map((name, i) => [name, row[i] ?? ''])));
}

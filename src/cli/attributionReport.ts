// An attribution as a document and as tables: tokens, patches, layers, and whether the numbers add up.
import { tableLines } from './table.ts';
import type { ModelFolder } from '../lm/folder.ts';
import type { Tokenizer } from '../lm/tokenizer.ts';
import type { Provider } from '../runtime/protocol.ts';
import type { Attribution } from '../steering/attribution.ts';
import type { PromptTokens } from '../steering/promptTokens.ts';
import { linesOf, spanSums, wordsOf } from '../steering/spans.ts';
import { ranks, tokenSets } from '../steering/tokenSets.ts';
import { Random } from '../shared/random.ts';

export interface AttributionReport {
  readonly folder: ModelFolder;
  readonly tokenizer: Tokenizer;
  readonly provider: Provider;
  /** The text that the ranges are of. */
  readonly text: string;
  readonly prompt: PromptTokens;
  /** y⁺ and, where there is one, y⁻. */
  readonly responses: readonly (readonly number[])[];
  readonly attribution: Attribution;
  readonly setSize: number;
}

interface Row {
  readonly id: number;
  readonly text: string;
  /** In the text, UTF-16 units. */
  readonly start: number;
  readonly end: number;
  readonly value: number;
  readonly rank: number | null;
  readonly set: '+' | '-' | null;
  readonly special: boolean;
  /** Of a row of an image: which one, and its place in it. */
  readonly image: { readonly index: number; readonly patch: number } | null;
}

function rowsOf({ prompt, attribution, tokenizer, setSize }: AttributionReport): readonly Row[] {
  const { tokens } = attribution;
  const order = ranks(tokens, prompt.special);
  const sets = tokenSets(tokens, { size: setSize, excluded: prompt.special }, new Random(1));
  return prompt.ids.map((id, place) => {
    const index = prompt.imageRows.findIndex((rows) => rows.includes(place));
    return {
      id, text: tokenizer.decode([id], true), ...(prompt.ranges[place] ?? { start: 0, end: 0 }), value: tokens[place] ?? Number.NaN, rank: order[place] ?? null,
      set: sets.positive.includes(place) ? '+' : sets.negative.includes(place) ? '-' : null,
      special: prompt.special.includes(place),
      image: index < 0 ? null : { index, patch: prompt.imageRows[index]?.indexOf(place) ?? 0 },
    };
  });
}

export function attributionJson(report: AttributionReport): unknown {
  const { folder, provider, text, prompt, responses, attribution, tokenizer } = report;
  const { layers, tokens, ...numbers } = attribution;
  const response = (ids: readonly number[] | undefined) => (ids ? { text: tokenizer.decode(ids, true), tokens: ids } : null);
  const spans = (ranges: readonly { readonly start: number; readonly end: number }[]) => spanSums(text, tokens, prompt.ranges, ranges).map(({ start, end, value }) => ({ text: text.slice(start, end), start, end, value }));
  return {
    model: folder.path, variant: folder.variant.name, provider, prompt: text, preferred: response(responses[0]), dispreferred: response(responses[1]), ...numbers,
    tokens: rowsOf(report), words: spans(wordsOf(text)), lines: spans(linesOf(text)), layers: Object.fromEntries(layers),
  };
}

export function attributionLines(report: AttributionReport): readonly string[] {
  const { attribution, prompt } = report;
  const rows = rowsOf(report);
  return [
    question(report), '',
    ...tokenTable(rows),
    ...prompt.imageRows.flatMap((_, index) => ['', ...imageGrid(rows, index, prompt.imageRows.length)]),
    ...(attribution.layers.size > 0 ? ['', ...layerTable(rows, attribution)] : []),
    '', ...sums(attribution),
  ];
}

function question({ responses, tokenizer, attribution }: AttributionReport): string {
  const [preferred, dispreferred] = responses.map((ids) => JSON.stringify(tokenizer.decode(ids, true)));
  return `${dispreferred === undefined ? `log p(${preferred ?? ''})` : `log p(${preferred ?? ''}) − log p(${dispreferred})`} = ${signed(attribution.value)} nats after the prompt; what each token adds, against a ${attribution.baseline === 'zero' ? 'prompt without embeddings' : attribution.baseline === 'pad' ? 'prompt of padding' : 'prompt of mean embeddings'} (${signed(attribution.baselineValue)}):`;
}

const BAR = 12;

function tokenTable(rows: readonly Row[]): readonly string[] {
  const shown = rows.filter(({ image }) => image === null);
  const largest = Math.max(...shown.map(({ value }) => Math.abs(value)));
  const cells = shown.map(({ text, value, rank, set, special }) => [JSON.stringify(text), signed(value), special ? 'special' : String(rank), set === null ? '' : `S${set === '+' ? '+' : '−'}`, bar(value, largest)]);
  return tableLines([['token', 'nats', 'rank', 'set', `${'against'.padStart(BAR)}|for`], ...cells]);
}

/** To the left of the line what is negative, to the right what is positive. */
function bar(value: number, largest: number): string {
  const length = largest > 0 ? Math.round((BAR * Math.abs(value)) / largest) : 0;
  return value < 0 ? `${'-'.repeat(length).padStart(BAR)}|` : `${' '.repeat(BAR)}|${'+'.repeat(length)}`;
}

/** Patches row by row where they are a square, else one beside the other. */
function imageGrid(rows: readonly Row[], index: number, images: number): readonly string[] {
  const patches = rows.filter(({ image }) => image?.index === index);
  const side = Math.sqrt(patches.length);
  const columns = Number.isInteger(side) ? side : 8;
  const cell = ({ value, set }: Row): string => `${signed(value)}${set === null ? ' ' : set === '+' ? '▲' : '▼'}`;
  const width = Math.max(...patches.map((patch) => cell(patch).length));
  const lines = Array.from({ length: Math.ceil(patches.length / columns) }, (_, row) => patches.slice(row * columns, (row + 1) * columns).map((patch) => cell(patch).padStart(width)).join(' ').trimEnd());
  const total = patches.reduce((sum, { value }) => sum + value, 0);
  return [`Image${images === 1 ? '' : ` ${index + 1}`}, ${patches.length} patches from the top left, together ${signed(total)} nats (▲ in S+, ▼ in S−):`, ...lines];
}

/** Layers side by side; every column adds up to the same change, with what the response's own tokens carry. */
function layerTable(rows: readonly Row[], { layers }: Attribution): readonly string[] {
  const sites = [...layers];
  const head = ['token', ...sites.map(([site]) => site.replace(/^layers\.(\d+)\.resid_post$/, 'layer $1'))];
  const name = ({ text, image }: Row): string => (image ? `patch ${image.patch + 1}` : JSON.stringify(text));
  const cells = rows.map((row, place) => [name(row), ...sites.map(([, { tokens }]) => signed(tokens[place] ?? Number.NaN))]);
  return ['What passes through each token after each layer:', ...tableLines([head, ...cells, ['response', ...sites.map(([, { response }]) => signed(response))]])];
}

function sums({ tokens, value, baselineValue, completeness, warning, method, spent }: Attribution): readonly string[] {
  const share = Number.isFinite(completeness.relative) ? `${(100 * completeness.relative).toPrecision(2)} %` : 'all';
  return [
    `Sum ${signed(tokens.reduce((sum, one) => sum + one, 0))}, change to explain ${signed(value - baselineValue)}: off by ${completeness.absolute.toPrecision(2)} nats (${share}); ${method}, ${spent.points} gradients.`,
    ...(warning === null ? [] : [`Warning: ${warning}`]),
  ];
}

const signed = (value: number): string => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(3)}`;

// An attribution in words, in tables and as CSV.
import type { Attribution, AttributedToken, AttributionPageState } from '../../src/shared/attributionMessages.ts';
import { largeError, natsText, percentText, quoted } from '../../src/shared/attributionMessages.ts';

/** A token as it is shown: its white space visible, never empty. */
export const tokenText = ({ text }: Pick<AttributedToken, 'text'>): string => (text === '' ? '∅' : text.replaceAll('\n', '⏎').replaceAll('\t', '⇥').replaceAll(' ', '·'));

export const setText = (set: AttributedToken['set']): string => (set === null ? '' : set === 'positive' ? 'S⁺' : 'S⁻');

/** Index of the picture's row and column of a token that is a patch of the image. */
export function patchText({ image }: Attribution, token: number): string {
  const patch = image?.tokens.indexOf(token) ?? -1;
  return image && patch >= 0 ? `patch in row ${Math.floor(patch / image.columns) + 1}, column ${(patch % image.columns) + 1}` : '';
}

export function tokenLabel(attribution: Attribution, index: number): string {
  const token = attribution.tokens[index];
  if (!token) return '';
  const { value, rank, set } = token;
  const patch = patchText(attribution, index);
  const name = patch === '' ? `Token ${index + 1} ${quoted(token.text)}` : `Image, ${patch}`;
  const towards = quoted(value >= 0 ? attribution.preferred : attribution.dispreferred);
  const place = rank === null ? 'special token' : `rank ${rank}`;
  const layers = attribution.layers.map(({ layer, values }) => `layer ${layer} ${natsText(values[index] ?? 0)}`).join(', ');
  return `${name}: ${natsText(value)} nats towards ${towards}, ${place}${set === null ? '' : `, in ${setText(set)}`}${layers === '' ? '' : `; ${layers}`}`;
}

export function headingOf(state: AttributionPageState): string {
  switch (state.status) {
    case 'empty': return 'No attribution';
    case 'running': return 'Attributing …';
    case 'failed': return 'Attribution failed';
    case 'shown': return `${quoted(state.attribution.preferred)} over ${quoted(state.attribution.dispreferred)}`;
  }
}

export function captionOf(state: AttributionPageState): string {
  switch (state.status) {
    case 'empty': return 'Select the text that leads to an answer, or open a prompt document (.prompt.md), and run “GradLens: Show What Pushes the Answer”.';
    case 'running': return `${state.file}: ${state.step}`;
    case 'failed': return state.file;
    case 'shown': return shownCaption(state);
  }
}

function shownCaption({ file, stale, attribution }: Extract<AttributionPageState, { status: 'shown' }>): string {
  const { model, provider, method, steps, baseline, chosen, millis } = attribution;
  const answers = chosen ? 'the model’s two likeliest answers' : 'answers as given';
  const changed = stale ? ' · the text has been changed since' : '';
  return `${file} · ${model} on ${provider} · ${answers} · ${methodText(method)}, ${steps} steps, baseline ${baseline} · ${Math.round(millis).toLocaleString()} ms${changed}`;
}

function methodText(method: string): string {
  return { ig: 'integrated gradients', idgi: 'IDGI', smoothgrad: 'SmoothGrad', gradxact: 'gradient × activation' }[method] ?? method;
}

/** What the numbers explain, and how much of it they miss. */
export function sumText({ contrast, baselineContrast, error, tokens, preferred, dispreferred }: Attribution): string {
  const sum = tokens.reduce((total, { value }) => total + value, 0);
  const means = `log p(${quoted(preferred)}) − log p(${quoted(dispreferred)}) is ${natsText(contrast)} nats with this text and ${natsText(baselineContrast)} with the baseline.`;
  return `${means} The tokens sum up to ${natsText(sum)}: completeness error ${percentText(error)}.`;
}

export const isLarge = ({ error }: Attribution): boolean => error > largeError;

const headOf = ({ layers }: Attribution): string[] => ['#', 'Token', 'Nats', 'Rank', 'Set', ...layers.map(({ layer }) => `Layer ${layer}`)];

export function tableOf(attribution: Attribution): { readonly head: readonly string[]; readonly rows: readonly (readonly string[])[] } {
  const { tokens, layers } = attribution;
  const rows = tokens.map((token, i) => [String(i + 1), patchText(attribution, i) || tokenText(token), natsText(token.value), token.rank === null ? '–' : String(token.rank), setText(token.set), ...layers.map(({ values }) => natsText(values[i] ?? 0))]);
  return { head: headOf(attribution), rows };
}

/** The whole table, numbers as they are. */
export function csvOf(attribution: Attribution): string {
  const { tokens, layers } = attribution;
  const cell = (value: string | number): string => (typeof value === 'string' && /[",\n\r]/u.test(value) ? `"${value.replaceAll('"', '""')}"` : String(value));
  const line = (cells: readonly (string | number)[]): string => `${cells.map(cell).join(',')}\n`;
  const head = ['index', 'token', 'start', 'end', 'nats', 'rank', 'set', ...layers.map(({ site }) => site)];
  return [head, ...tokens.map(({ text, start, end, value, rank, set }, i) => [i, text, start, end, value, rank ?? '', set ?? '', ...layers.map(({ values }) => values[i] ?? 0)])].map(line).join('');
}

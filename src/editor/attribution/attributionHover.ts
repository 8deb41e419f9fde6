// The hover of a token of the attributed text: how hard it pushes which way, its rank, and what is around it.
import * as vscode from 'vscode';
import type { AnchoredText } from './anchoredText.ts';
import type { Sums } from './attributionText.ts';
import { errorText, pushText, rankText, sumsText, tokenAt } from './attributionText.ts';
import type { Attribution } from '../../shared/attributionMessages.ts';
import { quoted } from '../../shared/attributionMessages.ts';
import { commands } from '../../shared/contributions.ts';

/** An attribution where it is shown. */
export interface ShownAttribution {
  readonly document: vscode.TextDocument;
  readonly place: AnchoredText;
  readonly attribution: Attribution;
}

/** Where a token is in the document; null for one that is not in it. */
export function rangeOfToken({ place, attribution }: ShownAttribution, token: number): vscode.Range | null {
  const found = attribution.tokens[token];
  if (!found || found.start >= found.end) return null;
  const [start, end] = [place.placeIn(found.start), place.placeIn(found.end)];
  return new vscode.Range(start.line, start.character, end.line, end.character);
}

export function hoverAt(shown: ShownAttribution, position: vscode.Position, selection: vscode.Selection | null): vscode.Hover | undefined {
  const { document, place, attribution } = shown;
  const token = place.holds(position) ? tokenAt(attribution.tokens, place.offsetOf(position)) : undefined;
  if (!token) return undefined;
  const span = (range: vscode.Range | undefined): Sums['word'] => (range && !range.isEmpty ? { start: place.offsetOf(range.start), end: place.offsetOf(range.end) } : null);
  const around = { word: span(document.getWordRangeAtPosition(position)), line: span(document.lineAt(position).range), selection: selection?.contains(position) ? span(selection) : null };
  const count = attribution.tokens.filter(({ rank }) => rank !== null).length;
  const { t } = vscode.l10n;
  const lines = [`${t('token {0}', quoted(token.text))} · ${rankText(token, count, t)}`, sumsText({ attribution, text: place.text }, around, t), errorText(attribution, t)];
  const content = new vscode.MarkdownString('', true);
  content.isTrusted = { enabledCommands: [commands.openAttribution, commands.clearAttribution] };
  content.appendMarkdown('**').appendText(pushText(token, attribution, t)).appendMarkdown('**');
  for (const line of lines) if (line !== '') content.appendMarkdown('  \n').appendText(line);
  content.appendMarkdown(`\n\n[${t('Layer by layer')}](command:${commands.openAttribution}) · [${t('Clear')}](command:${commands.clearAttribution})`);
  return new vscode.Hover(content, rangeOfToken(shown, attribution.tokens.indexOf(token)) ?? undefined);
}

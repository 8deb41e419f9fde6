// Hover: what a name is, its documentation, and what it gives on the running example.
import * as vscode from 'vscode';
import type { RaspFiles } from './raspFiles.ts';
import { dialectOfDocument, rangeOf } from '../documents.ts';
import type { Services } from '../services.ts';
import type { Inspected, ShownValue } from '../../rasp/shownValue.ts';
import { toldAt } from '../../rasp/service/hover.ts';
import { cell, matrixText, selectedCount, sequenceText } from '../../rasp/valueText.ts';
import { CancelledError } from '../../shared/cancellation.ts';
import { raspLanguage } from '../../shared/contributions.ts';

export function registerHover(files: RaspFiles, services: Services): vscode.Disposable {
  const provider: vscode.HoverProvider = {
    async provideHover(document, position) {
      const dialect = dialectOfDocument(document);
      if (!dialect) return null;
      const offset = document.offsetAt(position);
      // The value is computed in another process while the text is read here.
      const inspected = inspectedAt(document, offset, services);
      const told = dialect === 'rasp' ? toldAt(files.of(document), offset) : null;
      if (dialect === 'rasp' && !told) return null;
      const value = await inspected;
      const range = told?.range ?? (value ? { start: value.start, end: value.end } : null);
      if (!range) return null;
      const place = rangeOf(document, { file: '', ...range });
      const name = document.getText(place).replace(/\W+$/u, '');
      const headline = typedHeadline(told?.headline ?? `name ${name}`, value?.shown);
      return new vscode.Hover([describe(headline, told?.documentation ?? ''), ...(value ? [valueText(name, value)] : [])], place);
    },
  };
  return vscode.languages.registerHoverProvider([{ language: raspLanguage }, { language: 'python' }], provider);
}

/** Programs of an untrusted workspace are read, not run. */
async function inspectedAt(document: vscode.TextDocument, offset: number, { checker, log }: Services): Promise<Inspected | null> {
  const dialect = dialectOfDocument(document);
  if (!vscode.workspace.isTrusted || !dialect || (document.uri.scheme !== 'file' && document.uri.scheme !== 'untitled')) return null;
  try {
    const reply = await checker.call({ type: 'inspect', file: { path: document.uri.fsPath, text: document.getText(), dialect }, offset });
    return reply.type === 'inspected' ? reply.value : null;
  } catch (error) {
    if (!(error instanceof CancelledError)) log.error(error instanceof Error ? error : String(error));
    return null;
  }
}

/** The kind that the text leaves open, and the element type, as the value has them. */
function typedHeadline(headline: string, shown: ShownValue | undefined): string {
  if (shown?.kind !== 's-op' && shown?.kind !== 'selector') return headline;
  const known = headline.replace(/^name /u, `${shown.kind} `);
  return shown.kind === 's-op' && known.startsWith('s-op ') ? `${known}: ${shown.type}` : known;
}

function describe(headline: string, documentation: string): vscode.MarkdownString {
  return new vscode.MarkdownString(`${fenced(headline, raspLanguage)}${documentation === '' ? '' : `\n\n${documentation}`}`);
}

/** A fence that nothing in the text ends. */
function fenced(text: string, language: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/gu)].map(([ticks]) => ticks.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}${language}\n${text}\n${fence}`;
}

function valueText(name: string, { shown, example, times }: Inspected): vscode.MarkdownString {
  const text = new vscode.MarkdownString();
  const on = example.map((token) => cell(token)).join(example.every((token) => String(token).length === 1) ? '' : ' ');
  switch (shown.kind) {
    case 's-op':
      text.appendMarkdown(fenced(sequenceText(/^\w+$/u.test(name) ? name : 'value', shown.values, shown.type, example), 'text'));
      break;
    case 'selector':
      text.appendMarkdown(fenced(matrixText(shown.matrix, example), 'text'));
      text.appendMarkdown(`\n\n${vscode.l10n.t('{0} of {1} pairs are selected (●).', selectedCount(shown.matrix), shown.matrix.length ** 2)}`);
      break;
    case 'plain':
      if (shown.what === 'a function') return text;
      text.appendMarkdown(fenced(shown.text, raspLanguage));
      break;
    case 'failure':
      text.appendText(vscode.l10n.t('On the running example {0} it fails: {1}. The first “#:” line of the file is the running example.', on, shown.message));
      break;
  }
  if (times > 1) text.appendMarkdown(`\n\n${vscode.l10n.t('The last of {0} times.', times)}`);
  return text;
}

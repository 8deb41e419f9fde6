// What is attributed in an editor, asked for and checked: text, model, answers.
import * as vscode from 'vscode';
import type { AttributedText } from './attributedText.ts';
import { attributedText } from './attributedText.ts';
import { quoted } from '../../shared/attributionMessages.ts';
import type { Likely } from '../../steering/workerCalls.ts';

export interface GivenAnswers {
  readonly preferred: string;
  readonly dispreferred: string;
}

/** The text to attribute, or what to do to get one. */
export function textOf(editor: vscode.TextEditor): AttributedText | string {
  const { document, selection } = editor;
  const text = document.getText();
  const chosen = attributedText({ fileName: document.fileName, text, start: document.offsetAt(selection.start), end: document.offsetAt(selection.end) });
  if (!chosen) return vscode.l10n.t('Nothing is selected. Select the text that leads to the answer, or open a prompt document (.prompt.md), which is taken as a whole.');
  return chosen.text.trim() === '' ? vscode.l10n.t('There is nothing but white space to attribute. Select some text.') : chosen;
}

/** The two answers: each one of the likeliest, or typed. */
export async function askAnswers(likely: readonly Likely[]): Promise<GivenAnswers | undefined> {
  const preferred = await askAnswer(vscode.l10n.t('The answer that you prefer'), likely, null);
  if (preferred === undefined) return undefined;
  const dispreferred = await askAnswer(vscode.l10n.t('Instead of which answer than {0}?', quoted(preferred)), likely, preferred);
  return dispreferred === undefined ? undefined : { preferred, dispreferred };
}

interface Item extends vscode.QuickPickItem {
  /** Null: what is typed. */
  readonly text: string | null;
}

/** @param taken cannot be chosen again */
function askAnswer(title: string, likely: readonly Likely[], taken: string | null): Promise<string | undefined> {
  const pick = vscode.window.createQuickPick<Item>();
  const known = likely.filter(({ text }) => text !== taken).map(({ text, probability }): Item => ({ label: quoted(text), description: vscode.l10n.t('{0} % likely', (100 * probability).toFixed(1)), text }));
  // Always as many items in the same places: the editor names a choice by its place, in the list as it was when the key was pressed.
  const show = (): void => {
    pick.items = [typedItem(pick.value, taken), ...known];
    if (pick.value === '') pick.activeItems = known.slice(0, 1);
  };
  pick.title = title;
  pick.placeholder = vscode.l10n.t('Choose what the model would say, or type it, with the space before it');
  pick.onDidChangeValue(show);
  show();
  return new Promise((resolve) => {
    pick.onDidAccept(() => {
      const [item] = pick.selectedItems;
      const text = item?.text ?? pick.value;
      if (text === '' || text === taken) return;
      resolve(text);
      pick.hide();
    });
    pick.onDidHide(() => {
      resolve(undefined);
      pick.dispose();
    });
    pick.show();
  });
}

function typedItem(value: string, taken: string | null): Item {
  if (value === '') return { label: vscode.l10n.t('$(edit) Type another answer'), text: null };
  if (value === taken) return { label: vscode.l10n.t('$(error) {0} is the other answer already', quoted(value)), text: null, alwaysShow: true };
  return { label: quoted(value), description: vscode.l10n.t('as typed'), text: null, alwaysShow: true };
}

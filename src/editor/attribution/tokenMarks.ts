// Marks tokens in the text: colour and kind of line say which way a token pushes, weight of line and depth of colour how hard.
import * as vscode from 'vscode';
import type { AttributedToken } from '../../shared/attributionMessages.ts';
import { strengthLevel, strongestOf } from '../../shared/attributionMessages.ts';
import { attributionColour } from '../../shared/contributions.ts';

const levels = [1, 2, 3, 4] as const;
export type MarkLevel = (typeof levels)[number];

export interface Mark {
  readonly token: number;
  readonly sign: 'positive' | 'negative';
  readonly level: MarkLevel;
}

/** One for every token that is in the text and strong enough to be seen. */
export function marksOf(tokens: readonly AttributedToken[]): readonly Mark[] {
  const strongest = strongestOf(tokens);
  return tokens.flatMap(({ start, end, value }, token): Mark[] => {
    const level = strengthLevel(value, strongest);
    return level === 0 || start >= end ? [] : [{ token, sign: value > 0 ? 'positive' : 'negative', level }];
  });
}

/** The decorations, made once: one for each sign and level. */
export class TokenMarks implements vscode.Disposable {
  private readonly types = levels.flatMap((level) => (['positive', 'negative'] as const).map((sign) => ({ sign, level, type: typeOf(sign, level) })));

  paint(editor: vscode.TextEditor, marks: readonly Mark[], rangeOf: (token: number) => vscode.Range | null): void {
    for (const { sign, level, type } of this.types) {
      const own = marks.filter((mark) => mark.sign === sign && mark.level === level);
      editor.setDecorations(type, own.flatMap(({ token }) => rangeOf(token) ?? []));
    }
  }

  clear(editor: vscode.TextEditor): void {
    for (const { type } of this.types) editor.setDecorations(type, []);
  }

  dispose(): void {
    for (const { type } of this.types) type.dispose();
  }
}

/** Solid lines push towards the preferred answer, dashed ones away. */
function typeOf(sign: Mark['sign'], level: MarkLevel): vscode.TextEditorDecorationType {
  const line = new vscode.ThemeColor(attributionColour(sign));
  return vscode.window.createTextEditorDecorationType({
    backgroundColor: new vscode.ThemeColor(attributionColour(sign, level)),
    borderColor: line,
    borderStyle: sign === 'positive' ? 'solid' : 'dashed',
    borderWidth: `0 0 ${level}px 0`,
    rangeBehavior: vscode.DecorationRangeBehavior.ClosedClosed,
    ...(level >= 3 ? { overviewRulerColor: line, overviewRulerLane: vscode.OverviewRulerLane.Center } : {}),
  });
}

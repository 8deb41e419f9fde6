// Outline and folding of RASP files.
import * as vscode from 'vscode';
import type { RaspFiles } from './raspFiles.ts';
import { raspSelector } from './raspFiles.ts';
import { rangeOf } from '../documents.ts';
import { foldsOf } from '../../rasp/service/folding.ts';
import type { Kind } from '../../rasp/service/kinds.ts';
import type { OutlineItem } from '../../rasp/service/outline.ts';
import { outlineOf } from '../../rasp/service/outline.ts';

const symbolKinds: Readonly<Record<Kind, vscode.SymbolKind>> = {
  's-op': vscode.SymbolKind.Variable,
  selector: vscode.SymbolKind.Interface,
  function: vscode.SymbolKind.Function,
  value: vscode.SymbolKind.Constant,
  list: vscode.SymbolKind.Array,
  dict: vscode.SymbolKind.Object,
  unknown: vscode.SymbolKind.Variable,
};

export function registerStructure(files: RaspFiles): vscode.Disposable {
  const symbolOf = ({ name, detail, kind, whole, nameRange, children }: OutlineItem, document: vscode.TextDocument): vscode.DocumentSymbol => {
    const range = (part: OutlineItem['whole']): vscode.Range => rangeOf(document, { file: '', ...part });
    const symbol = new vscode.DocumentSymbol(name, detail, symbolKinds[kind], range(whole), range(nameRange));
    symbol.children = children.map((child) => symbolOf(child, document));
    return symbol;
  };
  return vscode.Disposable.from(
    vscode.languages.registerDocumentSymbolProvider(raspSelector, {
      provideDocumentSymbols: (document) => outlineOf(files.of(document)).map((item) => symbolOf(item, document)),
    }),
    vscode.languages.registerFoldingRangeProvider(raspSelector, {
      provideFoldingRanges: (document) =>
        foldsOf(files.of(document)).map(({ startLine, endLine, kind }) =>
          kind === 'comment' ? new vscode.FoldingRange(startLine, endLine, vscode.FoldingRangeKind.Comment) : new vscode.FoldingRange(startLine, endLine),
        ),
    }),
  );
}

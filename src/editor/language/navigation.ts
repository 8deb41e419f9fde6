// Go to definition, references and highlights in RASP files; the library opens as a document of its own.
import * as vscode from 'vscode';
import type { RaspFiles } from './raspFiles.ts';
import { rangesIn, raspSelector } from './raspFiles.ts';
import { rangeOf } from '../documents.ts';
import type { Span } from '../../rasp/diagnostic.ts';
import { libraryPath, libraryText } from '../../rasp/rasp/library.ts';
import { definitionAt, highlightsAt, placesAt } from '../../rasp/service/navigation.ts';
import { libraryScheme } from '../../shared/contributions.ts';

const libraryUri = vscode.Uri.from({ scheme: libraryScheme, path: '/library.rasp' });

function uriOf(span: Span, document: vscode.TextDocument): vscode.Uri {
  if (span.file === document.uri.fsPath) return document.uri;
  return span.file === libraryPath ? libraryUri : vscode.Uri.file(span.file);
}

export function registerNavigation(files: RaspFiles): vscode.Disposable {
  const range = (span: Span, document: vscode.TextDocument): vscode.Range => {
    if (span.file === document.uri.fsPath) return rangeOf(document, span);
    return rangesIn(span.file === libraryPath ? libraryText : (files.read(span.file) ?? ''))(span);
  };
  const definitions: vscode.DefinitionProvider = {
    provideDefinition(document, position): vscode.DefinitionLink[] {
      const target = definitionAt(files.of(document), document.offsetAt(position));
      if (!target) return [];
      const [targetRange, targetSelectionRange] = [range(target.whole, document), range(target.span, document)];
      return [{ originSelectionRange: rangeOf(document, target.from), targetUri: uriOf(target.span, document), targetRange, targetSelectionRange }];
    },
  };
  const references: vscode.ReferenceProvider = {
    async provideReferences(document, position, { includeDeclaration }, token) {
      const places = placesAt(files.of(document), document.offsetAt(position), await files.loaders(document, token));
      return places
        .filter(({ role }) => includeDeclaration || role === 'reference')
        .map(({ span }) => new vscode.Location(uriOf(span, document), range(span, document)));
    },
  };
  const highlights: vscode.DocumentHighlightProvider = {
    provideDocumentHighlights(document, position) {
      const { Read, Write } = vscode.DocumentHighlightKind;
      return highlightsAt(files.of(document), document.offsetAt(position)).map(
        ({ span, role }) => new vscode.DocumentHighlight(rangeOf(document, span), role === 'definition' ? Write : Read),
      );
    },
  };
  return vscode.Disposable.from(
    vscode.languages.registerDefinitionProvider(raspSelector, definitions),
    vscode.languages.registerReferenceProvider(raspSelector, references),
    vscode.languages.registerDocumentHighlightProvider(raspSelector, highlights),
    vscode.workspace.registerTextDocumentContentProvider(libraryScheme, { provideTextDocumentContent: () => libraryText }),
  );
}

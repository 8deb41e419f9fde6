// Everything that the editor offers for the text of RASP files, one feature a file.
import * as vscode from 'vscode';
import { registerCompletion } from './completion.ts';
import { registerFormatting } from './formatting.ts';
import { registerHover } from './hover.ts';
import { registerInlayHints } from './inlayHints.ts';
import { registerNavigation } from './navigation.ts';
import { RaspFiles } from './raspFiles.ts';
import { registerRename } from './rename.ts';
import { registerSemanticTokens } from './semanticTokens.ts';
import { registerSignatureHelp } from './signatureHelp.ts';
import { registerStructure } from './structure.ts';
import type { Services } from '../services.ts';

export function registerLanguage(services: Services): vscode.Disposable {
  const files = new RaspFiles();
  return vscode.Disposable.from(
    files,
    registerCompletion(files),
    registerSignatureHelp(files),
    registerNavigation(files),
    registerRename(files),
    registerStructure(files),
    registerFormatting(),
    registerSemanticTokens(files),
    registerHover(files, services),
    registerInlayHints(services),
  );
}

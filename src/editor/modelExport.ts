// Export as ONNX model: compiles the program at the cursor in a process of its own and saves it where the user says.
import * as vscode from 'vscode';
import type { ProgramAt } from './programAt.ts';
import { programAt } from './programAt.ts';
import { saveFile } from './saveFile.ts';
import type { Services } from './services.ts';
import type { ModelAnswer } from '../repair/transformerRequest.ts';
import { CancelledError } from '../shared/cancellation.ts';
import { commands } from '../shared/contributions.ts';
import type { TransformerSettings } from '../shared/transformerMessages.ts';

export function registerModelExport(services: Services): vscode.Disposable {
  return vscode.commands.registerCommand(commands.compile, async (uri?: unknown, offset?: unknown) => {
    const program = await programToCompile(uri, offset);
    return program && saveModel(services, program, null);
  });
}

/** The program that a command which compiles is about; the user is told if there is none. */
export const programToCompile = (uri: unknown, offset: unknown): Promise<ProgramAt | undefined> =>
  programAt(vscode.l10n.t('Compiling runs the program, so it needs a trusted workspace.'), uri, offset);

/** @param settings null: as the examples suggest. @returns where the model was saved */
export async function saveModel(services: Services, program: ProgramAt, settings: TransformerSettings | null): Promise<vscode.Uri | undefined> {
  const answer = await compiled(services, program, settings);
  if (!answer) return undefined;
  if (!answer.ok) {
    const { message, place } = answer.problem;
    void vscode.window.showErrorMessage(place ? vscode.l10n.t('{0} (line {1})', message, place.line) : message);
    return undefined;
  }
  const target = await saveFile(`${answer.name}.onnx`, { ONNX: ['onnx'] }, answer.model);
  const used = answer.settings;
  if (target && used) {
    void vscode.window.showInformationMessage(vscode.l10n.t('{0} is saved as {1}: tokens {2}, inputs of up to {3}.', answer.name, vscode.workspace.asRelativePath(target), used.vocabulary, used.maxLength));
  }
  return target;
}

async function compiled(services: Services, { document, dialect, offset }: ProgramAt, settings: TransformerSettings | null): Promise<ModelAnswer | undefined> {
  const worker = services.startWorker('model export');
  const file = { path: document.uri.fsPath, text: document.getText(), dialect };
  try {
    const location = { location: vscode.ProgressLocation.Notification, title: vscode.l10n.t('GradLens: compiling'), cancellable: true };
    const reply = await vscode.window.withProgress(location, (_progress, token) => worker.call({ type: 'model', file, offset, settings }, { token }));
    return reply.type === 'model' ? reply.result : undefined;
  } catch (error) {
    if (error instanceof CancelledError) return undefined;
    services.log.error(error instanceof Error ? error : String(error));
    void vscode.window.showErrorMessage(error instanceof Error ? error.message : String(error));
    return undefined;
  } finally {
    worker.dispose();
  }
}

// What the process of the language models answers about them: lists, facts, texts, downloads.
import path from 'node:path';
import { complete } from './completion.ts';
import { downloadModel } from './download.ts';
import { factsOf } from './facts.ts';
import { openModelFolder } from './folder.ts';
import { HubConnection, hubSettings } from './hub/connection.ts';
import { variantSizes } from './hub/modelFiles.ts';
import { DownloadFault } from './hub/problem.ts';
import { listRepository } from './hub/repository.ts';
import type { FoundModel } from './modelList.ts';
import { findModels } from './modelList.ts';
import type { ModelTurns } from './modelTurns.ts';
import type { DownloadRequest, DownloadEvent, LanguageModelCalls, ListedModel, ModelRoot, VariantsResult } from './workerCalls.ts';
import type { CallContext, Handlers } from '../runtime/calls.ts';
import { budgetOf, freeMemory } from '../runtime/memoryBudget.ts';
import type { CancellationToken } from '../shared/cancellation.ts';
import type { ModelOrigin } from '../shared/modelMessages.ts';

function list(roots: readonly ModelRoot[]): readonly ListedModel[] {
  const found = roots.flatMap(({ folder, origin }) => findModels(folder).map((model) => listed(model, origin)));
  // A folder that lies in two places that are looked into is shown where it was found first.
  return found.filter((model, i) => found.findIndex(({ path: other }) => other === model.path) === i);
}

function listed({ path: folder, result }: FoundModel, origin: ModelOrigin): ListedModel {
  const name = path.basename(folder);
  if (!result.ok) return { path: folder, name, origin, family: '', layers: null, hidden: null, context: null, images: false, variants: [], problem: result.problem };
  const { family, sizes, variants, vision } = result.folder;
  return { path: folder, name, origin, family, layers: sizes.layers, hidden: sizes.hidden, context: sizes.context, images: vision !== null, variants: variants.map(({ name: variant, bytes }) => ({ name: variant, bytes })), problem: null };
}

async function variants(repo: string, token: CancellationToken): Promise<VariantsResult> {
  try {
    return { ok: true, variants: variantSizes(await listRepository(new HubConnection(hubSettings(process.env), token), repo, 'main')) };
  } catch (error) {
    if (error instanceof DownloadFault) return { ok: false, problem: { code: error.code, message: error.message } };
    throw error;
  }
}

const download = ({ repo, variant, folder }: DownloadRequest, { token, tell }: CallContext<DownloadEvent>) =>
  downloadModel(repo, {
    folder,
    variant: variant ?? undefined,
    token,
    onPlan: (plan) => tell({ type: 'plan', plan }),
    onProgress: (progress) => tell({ type: 'progress', progress }),
    log: (message) => tell({ type: 'note', message }),
  });

/** The answers, in the order of the calls where they use the open model. */
export const languageModelHandlers = (turns: ModelTurns): Handlers<LanguageModelCalls> => ({
  list: (roots) => list(roots),
  facts: ({ path: folder, variant, memoryBudgetBytes }) => {
    const opened = openModelFolder(folder, { variant: variant ?? undefined });
    return opened.ok ? { ok: true, facts: factsOf(opened.folder, memoryBudgetBytes ?? budgetOf(freeMemory(), 0)) } : opened;
  },
  complete: (request, context) => turns.take((models) => complete(models, request, context), (message) => context.tell({ type: 'note', message })),
  close: () => turns.take(async (models) => models.close()).then(() => null),
  variants: ({ repo }, { token }) => variants(repo, token),
  download,
});

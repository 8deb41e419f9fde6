// Work with the open model in the process of the language models: what it tells on the way, and its faults as results.
import { AttributionError } from './requestProblem.ts';
import type { Failure, OnModel, OpeningEvent } from './workerCalls.ts';
import type { LanguageModel } from '../lm/languageModel.ts';
import type { ModelTurns } from '../lm/modelTurns.ts';
import { LanguageModelError } from '../lm/session.ts';
import type { OpenModels } from '../lm/openModels.ts';
import { HostDiedError, RuntimeError } from '../runtime/client.ts';

type Work<T> = (model: LanguageModel, models: OpenModels) => Promise<T>;

/** Opens the model if it is not, in its turn, and works with it. */
export function withModel<T>(turns: ModelTurns, request: OnModel, tell: (event: OpeningEvent) => void, work: Work<T>): Promise<T | Failure> {
  return turns.take(
    (models) => failing(async () => {
      const opened = await models.model(request.model, request, { onOpening: () => tell({ type: 'opening' }), onHost: (pid) => tell({ type: 'host', pid }), onProvider: (chosen) => tell({ type: 'provider', ...chosen }) });
      return opened.ok ? work(opened.model, models) : { ok: false, message: opened.problem.message };
    }),
    (message) => tell({ type: 'note', message }),
  );
}

async function failing<T>(work: () => Promise<T | Failure>): Promise<T | Failure> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof LanguageModelError || error instanceof AttributionError || error instanceof HostDiedError) return { ok: false, message: error.message };
    if (error instanceof RuntimeError) return { ok: false, message: `The model cannot be run: ${error.message}` };
    throw error;
  }
}

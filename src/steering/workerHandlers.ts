// What the process of the language models answers about steering.
import { compare } from './comparison.ts';
import { withModel } from './modelUse.ts';
import type { SteeringCalls } from './workerCalls.ts';
import type { ModelTurns } from '../lm/modelTurns.ts';
import type { Handlers } from '../runtime/calls.ts';

export const steeringHandlers = (turns: ModelTurns): Handlers<SteeringCalls> => ({
  compare: (request, context) =>
    withModel(turns, request, context.tell, (model) => {
      const source = { decoder: model.decoder };
      return compare(model, request, () => [source, source], context);
    }),
});

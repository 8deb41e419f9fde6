// What the process of the language models answers about steering.
import { attribute, likelyAnswers } from './attributionCall.ts';
import { compare } from './comparison.ts';
import { ModelParts } from './modelParts.ts';
import { withModel } from './modelUse.ts';
import { makeVector } from './vectorCall.ts';
import { listVectors } from './vectorListing.ts';
import type { SteeringCalls } from './workerCalls.ts';
import type { ModelTurns } from '../lm/modelTurns.ts';
import type { Handlers } from '../runtime/calls.ts';

export const steeringHandlers = (turns: ModelTurns): Handlers<SteeringCalls> => ({
  vectors: (request) => listVectors(request),
  likely: (request, { token, tell }) => withModel(turns, request, tell, (model, models) => likelyAnswers(model, ModelParts.of(model, models), request, token)),
  attribute: (request, context) => withModel(turns, request, context.tell, (model, models) => attribute(model, ModelParts.of(model, models), request, context)),
  makeVector: (request, context) => withModel(turns, request, context.tell, (model, models) => makeVector(model, ModelParts.of(model, models), request, context)),
  compare: (request, context) => withModel(turns, request, context.tell, (model, models) => compare(model, ModelParts.of(model, models), request, context)),
});

// The process of the language models: everything about them that takes time happens here, so that the editor never waits.
import path from 'node:path';
import { ModelTurns } from './lm/modelTurns.ts';
import type { LanguageModelCalls } from './lm/workerCalls.ts';
import { languageModelHandlers } from './lm/workerHandlers.ts';
import { serveCalls } from './runtime/calls.ts';
import type { SteeringCalls } from './steering/workerCalls.ts';
import { steeringHandlers } from './steering/workerHandlers.ts';

const turns = new ModelTurns(path.join(path.dirname(process.argv[1] ?? ''), 'host.cjs'));

serveCalls<LanguageModelCalls & SteeringCalls>({ ...languageModelHandlers(turns), ...steeringHandlers(turns) }, () => turns.dispose());

// A model folder whose model writes on and on, for tests of what happens meanwhile.
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** A copy of the model that comes with the project, told that no token ends a text and that there is room for a long one. */
export function writeEndlessModel(tinyCode: string, folder: string): void {
  cpSync(tinyCode, folder, { recursive: true });
  const change = (name: string, more: object): void => {
    const file = path.join(folder, name);
    writeFileSync(file, JSON.stringify({ ...(JSON.parse(readFileSync(file, 'utf8')) as object), ...more }));
  };
  change('config.json', { eos_token_id: 0, max_position_embeddings: 20_000 });
  change('generation_config.json', { eos_token_id: 0 });
}

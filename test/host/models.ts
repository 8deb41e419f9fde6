// The language models that the host tests take: one that writes at length where it lies beside the project, else the one
// that comes with it, whose texts are short.
import { existsSync } from 'node:fs';
import * as path from 'node:path';
import * as vscode from 'vscode';

/** The folder of the first of them that is there; null where there is none. */
export function modelFolder(): string | null {
  const root = vscode.extensions.getExtension('gradlens.gradlens')?.extensionUri.fsPath ?? '';
  const places = [path.join(root, '..', 'shared', 'models', 'stories260k'), path.join(root, '..', '..', 'shared', 'models', 'stories260k'), path.join(root, 'models', 'tiny-code')];
  return places.find((place) => existsSync(path.join(place, 'config.json'))) ?? null;
}

/** Sets variables of the environment; the function that comes back sets them as they were. */
export function withEnvironment(variables: Readonly<Record<string, string>>): () => void {
  const before = Object.keys(variables).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, variables);
  return () => {
    for (const [name, value] of before) {
      if (value === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = value;
    }
  };
}

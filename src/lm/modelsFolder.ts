// Where downloaded models lie.
import { homedir } from 'node:os';
import path from 'node:path';

/** Where downloads go by default: GRADLENS_MODELS, or `.gradlens/models` in the home folder. */
export function modelsFolder(environment: Readonly<Record<string, string | undefined>> = process.env): string {
  return path.resolve(environment['GRADLENS_MODELS']?.trim() || path.join(homedir(), '.gradlens', 'models'));
}

/** The folder of a repository's models below that; `repo` is the name of a repository. */
export const folderOfRepository = (root: string, repo: string): string => path.join(root, ...repo.split('/').filter((part) => part !== '..'));

// Finds the model folders below a folder.
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import type { FolderResult } from './folder.ts';
import { openModelFolder } from './folder.ts';

/** OWNER/NAME below a folder of models, one level more for those who sort them. */
const DEPTH = 3;
const MAX_FOLDERS = 2000;

export interface FoundModel {
  readonly path: string;
  readonly result: FolderResult;
}

/** The model folders in a folder, itself included, in the order of their paths. Hidden folders are left out. */
export function findModels(root: string): readonly FoundModel[] {
  return modelFolders(path.resolve(root)).map((folder) => ({ path: folder, result: openModelFolder(folder) }));
}

function modelFolders(root: string): readonly string[] {
  const found: string[] = [];
  let level: readonly string[] = [root];
  for (let depth = 0, seen = 0; depth <= DEPTH && seen < MAX_FOLDERS; depth++) {
    seen += level.length;
    found.push(...level.filter(isModelFolder));
    level = level.filter((folder) => !isModelFolder(folder)).flatMap(subfolders).slice(0, MAX_FOLDERS);
  }
  return found.sort();
}

const isFile = (file: string): boolean => statSync(file, { throwIfNoEntry: false })?.isFile() ?? false;

/** One that says that it is a model, or that holds a graph where models have it. */
function isModelFolder(folder: string): boolean {
  if (isFile(path.join(folder, 'genai_config.json'))) return true;
  const graph = [path.join(folder, 'onnx'), folder].some((place) => entries(place).some((entry) => entry.isFile() && entry.name.endsWith('.onnx')));
  return graph && isFile(path.join(folder, 'config.json'));
}

function entries(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    // A folder that may not be read holds no models for us.
    return [];
  }
}

const subfolders = (folder: string): string[] =>
  entries(folder).filter((entry) => entry.isDirectory() && !entry.name.startsWith('.') && entry.name !== 'node_modules').map(({ name }) => path.join(folder, name));

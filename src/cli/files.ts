// Reading what the command line names: programs, files of examples, inputs.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { UsageError } from './usage.ts';
import type { SourceFile } from '../rasp/analyse.ts';
import type { Value } from '../rasp/program.ts';
import type { ExampleSet } from '../repair/examples.ts';
import { examplesPathOf, readExamples } from '../repair/examples.ts';

const MAX_PROGRAM_BYTES = 4 * 2 ** 20;
const MAX_MODEL_BYTES = 2 ** 30;
const MAX_EXAMPLE_BYTES = 400 * 2 ** 20;

/** @throws UsageError if the file is missing, too large or no text. */
function readText(path: string, what: string, maxBytes: number): string {
  const bytes = readBytes(path, what, maxBytes);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new UsageError(`“${path}” cannot be read: it is not UTF-8 text.`);
  }
}

/** @throws UsageError if the file is missing, too large or cannot be read. */
function readBytes(path: string, what: string, maxBytes: number): Uint8Array {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) throw new UsageError(`There is no file “${path}”. Give the path of ${what}.`);
  if (!stat.isFile()) throw new UsageError(`“${path}” is not a file. Give the path of ${what}.`);
  if (stat.size > maxBytes) throw new UsageError(`“${path}” is larger than ${maxBytes / 2 ** 20} MiB, too large for ${what}.`);
  try {
    return readFileSync(path);
  } catch (error) {
    throw new UsageError(`“${path}” cannot be read: ${error instanceof Error ? error.message : String(error)}.`);
  }
}

/** The program that a command is about. */
export function readProgram(positionals: readonly string[]): SourceFile {
  const [path, ...more] = positionals;
  if (path === undefined) throw new UsageError('Which program? Give the path of a .rasp file or of a Tracr .py file.');
  if (more.length > 0) throw new UsageError(`One program at a time: “${more[0] ?? ''}” is too many.`);
  if (!/\.(?:rasp|py)$/.test(path)) throw new UsageError(`“${path}” is neither a .rasp file nor a .py file with a Tracr program.`);
  return { path, text: readText(path, 'a program', MAX_PROGRAM_BYTES) };
}

export const isModelPath = (path: string | undefined): path is string => path?.endsWith('.onnx') ?? false;

/** The bytes of the model that a command is about. */
export function readModel(path: string, more: readonly string[]): Uint8Array {
  if (more.length > 0) throw new UsageError(`One model at a time: “${more[0] ?? ''}” is too many.`);
  return readBytes(path, 'a compiled model', MAX_MODEL_BYTES);
}

/** For `load` and `#: reference`. */
export function readSource(path: string): string | undefined {
  try {
    return statSync(path).size > MAX_PROGRAM_BYTES ? undefined : readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

export interface FileExamples extends ExampleSet {
  /** The files of examples that were read. */
  readonly files: readonly SourceFile[];
}

/** The named file's examples, or else those that belong to the program. */
export function readProgramExamples(source: SourceFile, named: string | undefined): FileExamples {
  if (named !== undefined) return readExampleFile(named);
  const path = examplesPathOf(source.path);
  if (!existsSync(path)) return { ...readExamples({ source, readSource }), files: [] };
  const beside = { path, text: readText(path, 'a file of examples', MAX_EXAMPLE_BYTES) };
  return { ...readExamples({ source, beside, readSource }), files: [beside] };
}

export function readExampleFile(path: string): FileExamples {
  const beside = { path, text: readText(path, 'a file of examples', MAX_EXAMPLE_BYTES) };
  return { ...readExamples({ beside }), files: [beside] };
}

/** A program's input from the command line. */
export function parseInput(text: string | undefined): readonly Value[] {
  const list = tokenList(text, 'input', 'input');
  const tokens = list[0] === 'BOS' ? list.slice(1) : list;
  if (tokens.length === 0) throw new UsageError('The input is empty; a program needs at least one token.');
  return tokens;
}

/** The tokens that a model is compiled for. */
export const parseVocabulary = (text: string | undefined): readonly Value[] => tokenList(text, 'vocab', 'vocabulary');

function tokenList(text: string | undefined, option: string, what: string): readonly Value[] {
  const help = `Write a JSON list of tokens, for example --${option} '["a", "b"]' or --${option} '[3, 1, 2]'.`;
  if (text === undefined) throw new UsageError(`The ${what} is missing. ${help}`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new UsageError(`The ${what} is not JSON: ${text}. ${help}`);
  }
  if (typeof parsed === 'string') return [...parsed];
  if (!Array.isArray(parsed) || !parsed.every(isToken)) throw new UsageError(`The ${what} is no list of numbers, strings and bools. ${help}`);
  return parsed;
}

const isToken = (v: unknown): v is Value => typeof v === 'number' || typeof v === 'string' || typeof v === 'boolean';

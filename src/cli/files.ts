// Reading what the command line names: programs, files of examples, inputs.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { UsageError } from './usage.ts';
import type { SourceFile } from '../rasp/analyse.ts';
import type { Value } from '../rasp/program.ts';
import type { ExampleSet } from '../repair/examples.ts';
import { examplesPathOf, readExamples } from '../repair/examples.ts';

const MAX_PROGRAM_BYTES = 4 * 2 ** 20;
const MAX_EXAMPLE_BYTES = 400 * 2 ** 20;

/** @throws UsageError if the file is missing, too large or no text. */
function readText(path: string, what: string, maxBytes: number): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) throw new UsageError(`There is no file “${path}”. Give the path of ${what}.`);
  if (!stat.isFile()) throw new UsageError(`“${path}” is not a file. Give the path of ${what}.`);
  if (stat.size > maxBytes) throw new UsageError(`“${path}” is larger than ${maxBytes / 2 ** 20} MiB, too large for ${what}.`);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path));
  } catch (error) {
    const reason = error instanceof TypeError ? 'it is not UTF-8 text' : error instanceof Error ? error.message : String(error);
    throw new UsageError(`“${path}” cannot be read: ${reason}.`);
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
  const help = 'Write a JSON list of tokens, for example --input \'["a", "b"]\' or --input \'[3, 1, 2]\'.';
  if (text === undefined) throw new UsageError(`The input is missing. ${help}`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new UsageError(`The input is not JSON: ${text}. ${help}`);
  }
  if (typeof parsed === 'string') parsed = [...parsed];
  if (!Array.isArray(parsed) || !parsed.every(isToken)) throw new UsageError(`The input is no list of numbers, strings and bools. ${help}`);
  const tokens = parsed[0] === 'BOS' ? parsed.slice(1) : parsed;
  if (tokens.length === 0) throw new UsageError('The input is empty; a program needs at least one token.');
  return tokens;
}

const isToken = (v: unknown): v is Value => typeof v === 'number' || typeof v === 'string' || typeof v === 'boolean';

#!/usr/bin/env node
// The command line: chooses the command, prints what it gives, sets the exit code.
import { existsSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { attribute } from './cli/attribute.ts';
import { check } from './cli/check.ts';
import { compile } from './cli/compile.ts';
import { generateText } from './cli/generate.ts';
import { modelsList, modelsSites } from './cli/models.ts';
import { modelsDownload } from './cli/modelsDownload.ts';
import type { Environment, ExitCode, Outcome } from './cli/outcome.ts';
import { probe } from './cli/probe.ts';
import { providers } from './cli/providers.ts';
import { repair } from './cli/repair.ts';
import { repl } from './cli/repl.ts';
import { run } from './cli/run.ts';
import { vector } from './cli/vector.ts';
import type { CommandName, ParsedArguments } from './cli/usage.ts';
import { commandHelp, commands, generalHelp, isCommand, parseCommand, unknownCommand, UsageError } from './cli/usage.ts';
import { CancellationSource, CancelledError } from './shared/cancellation.ts';

type Command = (args: ParsedArguments, environment: Environment) => Outcome | Promise<Outcome>;

const handlers: Record<CommandName, Command> = { check, run, compile, repl, repair, generate: generateText, attribute, vector, probe, models, providers: (_args, environment) => providers(environment) };

function models(args: ParsedArguments, environment: Environment): Outcome | Promise<Outcome> {
  const [action, ...positionals] = args.positionals;
  if (action === 'list') return modelsList({ ...args, positionals });
  if (action === 'sites') return modelsSites({ ...args, positionals });
  if (action === 'download') return modelsDownload({ ...args, positionals }, environment);
  throw new UsageError(`${action === undefined ? 'What about models?' : `gradlens models cannot “${action}”.`} Use: gradlens models ${commands.models.arguments}`);
}

/** What shells expect of a program that Ctrl-C ended. */
const INTERRUPTED = 130;

async function main(args: readonly string[], environment: Environment): Promise<number> {
  const [name, ...rest] = args;
  const json = args.includes('--json');
  const { terminal } = environment;
  try {
    if (name === undefined || name === '--help' || name === 'help') {
      terminal.out(`${generalHelp()}\n`);
      return name === undefined ? 2 : 0;
    }
    if (!isCommand(name)) throw unknownCommand(name);
    const parsed = parseCommand(name, rest);
    if (parsed.help) {
      terminal.out(`${commandHelp(name)}\n`);
      return 0;
    }
    const outcome = await handlers[name](parsed, environment);
    terminal.out(json ? `${JSON.stringify(outcome.json)}\n` : outcome.lines.map((line) => `${line}\n`).join(''));
    return outcome.exitCode;
  } catch (error) {
    return failed(error, json, terminal);
  }
}

function failed(error: unknown, json: boolean, terminal: Environment['terminal']): number {
  if (error instanceof CancelledError) {
    terminal.err('\nCancelled.\n');
    return INTERRUPTED;
  }
  const message = error instanceof Error ? error.message : String(error);
  const exitCode: ExitCode = error instanceof UsageError ? 2 : 3;
  terminal.err(exitCode === 2 ? `${message}\n` : `gradlens failed: ${message}\n`);
  if (json) terminal.out(`${JSON.stringify({ error: message })}\n`);
  return exitCode;
}

/** The model host and the worker are built beside this script; from the sources they are found in dist. */
function builtBeside(script: string, name: string): string {
  const folder = path.dirname(realpathSync(script));
  const beside = path.join(folder, name);
  return existsSync(beside) ? beside : path.join(folder, '..', 'dist', name);
}

function processEnvironment(): Environment {
  const cancellation = new CancellationSource();
  process.once('SIGINT', () => cancellation.cancel());
  process.once('SIGTERM', () => cancellation.cancel());
  const script = process.argv[1] ?? '';
  const worker = builtBeside(script, 'worker.cjs');
  return {
    terminal: {
      out: (text) => void process.stdout.write(text),
      err: (text) => void process.stderr.write(text),
      live: process.stderr.isTTY,
      colours: process.stdout.isTTY && process.env['NO_COLOR'] === undefined,
      columns: process.stderr.columns || 80,
    },
    hostPath: builtBeside(script, 'host.cjs'),
    workerPath: existsSync(worker) ? worker : undefined,
    token: cancellation.token,
    now: () => performance.now(),
  };
}

// A reader that has seen enough (`| head`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

void main(process.argv.slice(2), processEnvironment()).then((code) => {
  process.exitCode = code;
});

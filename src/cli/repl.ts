// gradlens repl: RASP's interactive loop in the terminal, or over a pipe for transcripts.
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Interface } from 'node:readline';
import { readProgram, readSource } from './files.ts';
import type { Environment, Outcome } from './outcome.ts';
import type { ParsedArguments } from './usage.ts';
import { UsageError } from './usage.ts';
import { dialectOf } from '../rasp/analyse.ts';
import type { ReplReply } from '../rasp/repl/session.ts';
import { banner, ReplSession } from '../rasp/repl/session.ts';

/** Stands for the console in messages and spans. */
const consoleName = '<console>';

export async function repl({ positionals, json }: ParsedArguments, { terminal }: Environment): Promise<Outcome> {
  if (json) throw new UsageError('gradlens repl prints a transcript and has no --json. For one output use gradlens run --json.');
  const session = new ReplSession(consoleName, readSource);
  const loaded = positionals.length > 0 ? loadable(positionals) : null;
  terminal.out(banner);
  if (loaded !== null) terminal.out(session.load(loaded).text);
  const live = process.stdin.isTTY;
  const lines = createInterface({ input: process.stdin, output: live ? process.stdout : undefined, terminal: live, historySize: 1000, removeHistoryDuplicates: true });
  await (live ? converse(session, lines, terminal.out) : transcribe(session, lines, terminal.out));
  return { exitCode: 0, json: null, lines: [] };
}

function loadable(positionals: readonly string[]): string {
  const { path: file } = readProgram(positionals);
  if (dialectOf(file) !== 'rasp') throw new UsageError(`“${file}” is a Tracr program; the interactive loop takes .rasp files.`);
  return path.normalize(file);
}

type Out = Environment['terminal']['out'];

/** What is read from a pipe is not shown; prompts are, so that a transcript is the same everywhere. */
async function transcribe(session: ReplSession, lines: Interface, out: Out): Promise<void> {
  out(session.prompt);
  for await (const line of lines) {
    const reply = session.line(line);
    out(reply.text);
    if (reply.ended) return;
    out(reply.prompt);
  }
  out('\n');
}

function converse(session: ReplSession, lines: Interface, out: Out): Promise<void> {
  const ask = (reply: Pick<ReplReply, 'prompt'>): void => {
    lines.setPrompt(reply.prompt);
    lines.prompt();
  };
  ask(session);
  return new Promise((resolve) => {
    lines.on('line', (line) => {
      const reply = session.line(line);
      out(reply.text);
      if (reply.ended) lines.close();
      else ask(reply);
    });
    lines.on('SIGINT', () => {
      // Empties the line that is being typed, wherever the cursor stands.
      lines.write(null, { ctrl: true, name: 'e' });
      lines.write(null, { ctrl: true, name: 'u' });
      out('\n');
      ask(session.cancel());
    });
    lines.on('close', () => {
      if (!session.ended) out('\n');
      resolve();
    });
  });
}

// gradlens probe: trains a probe, scores the sentences of a text against a context, says where a score comes from.
import { readFileSync, statSync } from 'node:fs';
import type { Environment, Outcome } from './outcome.ts';
import { probeLocalise } from './probeLocalise.ts';
import { probeScore } from './probeScore.ts';
import { probeTrain } from './probeTrain.ts';
import { providerOption } from './providers.ts';
import type { ParsedArguments } from './usage.ts';
import { commands, UsageError } from './usage.ts';
import { ConfigFault } from '../lm/config.ts';
import type { ModelFolder } from '../lm/folder.ts';
import { openModelFolder } from '../lm/folder.ts';
import { folderTokenizer } from '../lm/languageModel.ts';
import type { Tokenizer } from '../lm/tokenizer.ts';
import type { Probe } from '../probes/probe.ts';
import { misfit, probeModelOf } from '../probes/probe.ts';
import { readProbe } from '../probes/probeFile.ts';
import { probeSites } from '../probes/residualReader.ts';
import { ModelHost, RuntimeError } from '../runtime/client.ts';
import type { SessionOptions } from '../runtime/protocol.ts';

/** A model that a probe command works on. */
export interface ProbeWork {
  readonly args: ParsedArguments;
  readonly environment: Environment;
  readonly host: ModelHost;
  readonly folder: ModelFolder;
  readonly tokenizer: Tokenizer;
  readonly session: Partial<SessionOptions>;
}

const actions: Readonly<Record<string, (work: ProbeWork) => Promise<Outcome>>> = { train: probeTrain, score: probeScore, localise: probeLocalise };

/** @throws UsageError, CancelledError */
export async function probe(args: ParsedArguments, environment: Environment): Promise<Outcome> {
  const [name = '', ...more] = args.positionals;
  const action = Object.hasOwn(actions, name) ? actions[name] : undefined;
  if (!action) throw new UsageError(`${name === '' ? 'What about probes?' : `gradlens probe cannot “${name}”.`} Use: gradlens probe ${commands.probe.arguments}`);
  if (more[0] !== undefined) throw new UsageError(`“${more[0]}” is too many: files are given with options, such as --model and --probe.`);
  const { folder, tokenizer } = modelOf(args);
  const wanted = providerOption(args);
  const host = ModelHost.start({ hostPath: environment.hostPath });
  try {
    return await action({ args, environment, host, folder, tokenizer, session: { provider: wanted === 'auto' ? 'cpu' : wanted } });
  } catch (error) {
    if (error instanceof ConfigFault) throw new UsageError(error.message);
    if (error instanceof RuntimeError) throw new UsageError(`${folder.variant.path} cannot be run: ${error.message}`);
    throw error;
  } finally {
    host.dispose();
  }
}

/** @throws UsageError */
export function modelOf({ values }: Pick<ParsedArguments, 'values'>): { readonly folder: ModelFolder; readonly tokenizer: Tokenizer } {
  if (values['model'] === undefined) throw new UsageError('Which model? Give its folder: --model FOLDER.');
  const opened = openModelFolder(values['model'], { variant: values['variant'] });
  if (!opened.ok) throw new UsageError(opened.problem.message);
  const tokenizer = folderTokenizer(opened.folder);
  if (!tokenizer.ok) throw new UsageError(tokenizer.fault.message);
  return { folder: opened.folder, tokenizer: tokenizer.value };
}

/** The probe that is asked for, if it fits the model. @throws UsageError */
export function probeOf({ values }: Pick<ParsedArguments, 'values'>, folder: ModelFolder): Probe {
  if (values['probe'] === undefined) throw new UsageError('Which probe? Give its file: --probe NAME.probe.json. “gradlens probe train” makes one.');
  const read = readProbe(values['probe']);
  if (!read.ok) throw new UsageError(read.message);
  const width = Number(probeSites(folder)[0]?.shape.at(-1) ?? folder.sizes.hidden ?? Number.NaN);
  const reason = misfit(read.probe, probeModelOf(folder, width));
  if (reason !== null) throw new UsageError(reason);
  return read.probe;
}

const MAX_TEXT_BYTES = 64 * 2 ** 20;

/** The text of a file that an option names. @throws UsageError */
export function textFile({ values }: Pick<ParsedArguments, 'values'>, option: string, what: string): string {
  const file = values[option];
  if (file === undefined) throw new UsageError(`Which ${what}? Give a file: --${option} FILE.`);
  const stat = statSync(file, { throwIfNoEntry: false });
  if (!stat?.isFile()) throw new UsageError(`There is no file “${file}”. Give the ${what} as a text file.`);
  if (stat.size > MAX_TEXT_BYTES) throw new UsageError(`“${file}” is larger than ${MAX_TEXT_BYTES / 2 ** 20} MiB, too large for a ${what}.`);
  return readFileSync(file, 'utf8');
}

// gradlens generate: continues a prompt with a language model, and shows the text as it comes.
import type { Environment, Outcome } from './outcome.ts';
import type { ParsedArguments } from './usage.ts';
import { modelProviders, providerOption } from './providers.ts';
import { UsageError } from './usage.ts';
import type { Generation, GenerationEnd } from '../lm/generate.ts';
import { generate } from '../lm/generate.ts';
import type { LanguageModel } from '../lm/languageModel.ts';
import { folderDecoder, openLanguageModel } from '../lm/languageModel.ts';
import { chooseDecoder } from '../lm/providerChoice.ts';
import { LanguageModelError } from '../lm/session.ts';
import type { Tokenizer } from '../lm/tokenizer.ts';
import { ModelHost, RuntimeError } from '../runtime/client.ts';
import type { Provider } from '../runtime/protocol.ts';
import { Random } from '../shared/random.ts';
import type { Sampling } from '../shared/sampling.ts';

const DEFAULT_TOKENS = 128;

export async function generateText(args: ParsedArguments, environment: Environment): Promise<Outcome> {
  const { values, flags, positionals } = args;
  if (positionals[0] !== undefined) throw new UsageError(`“${positionals[0]}” is too many: the prompt is given with --prompt, the model with --model.`);
  const { model, prompt } = values;
  if (model === undefined) throw new UsageError('Which model? Give its folder: --model FOLDER.');
  if (prompt === undefined) throw new UsageError('Which prompt? Give it with --prompt "TEXT".');
  const sampling = samplingOf(values);
  const [maxTokens, seed] = [number(values, 'max-tokens', DEFAULT_TOKENS, 0, Infinity, true), number(values, 'seed', 1, 0, 2 ** 32 - 1, true)];
  const host = ModelHost.start({ hostPath: environment.hostPath });
  try {
    const { decoder, tokenizer, folder, provider } = await openedModel(host, model, args, environment);
    const ids = promptIds(tokenizer, prompt, flags.has('chat'));
    const started = environment.now();
    const options = { sampling, maxTokens, contextLength: folder.sizes.context, endIds: folder.tokens.eos, stop: args.lists['stop'] ?? [], cache: !flags.has('no-cache'), token: environment.token };
    const generation = await generate({ decoder }, tokenizer, ids, options, new Random(seed), (_token, text) => {
      if (!args.json) environment.terminal.out(text);
    });
    return outcomeOf(generation, prompt, { decoder, tokenizer, folder, provider }, environment.now() - started);
  } catch (error) {
    if (error instanceof LanguageModelError) throw new UsageError(error.message);
    if (error instanceof RuntimeError) throw new UsageError(`${model} cannot be run: ${error.message}`);
    throw error;
  } finally {
    host.dispose();
  }
}

interface ModelOnProvider extends LanguageModel {
  readonly provider: Provider;
}

/** On the provider that is asked for, or on the first that agrees with CPU and is faster. */
async function openedModel(host: ModelHost, location: string, args: ParsedArguments, environment: Environment): Promise<ModelOnProvider> {
  const wanted = providerOption(args);
  const opened = await openLanguageModel(host, location, { variant: args.values['variant'], session: { provider: wanted === 'auto' ? 'cpu' : wanted } });
  if (!opened.ok) throw new UsageError(opened.problem.message);
  if (wanted !== 'auto') return { ...opened.model, provider: wanted };
  const { passedOver, ...chosen } = await chooseDecoder(opened.model.decoder, folderDecoder(opened.model.folder), await modelProviders(host, environment));
  for (const line of passedOver) environment.terminal.err(`${line}\n`);
  return { ...opened.model, ...chosen };
}

function promptIds(tokenizer: Tokenizer, prompt: string, chat: boolean): readonly number[] {
  if (!chat) return tokenizer.encode(prompt).ids;
  const rendered = tokenizer.renderChat([{ role: 'user', content: prompt }]);
  if (!rendered.ok) throw new UsageError(rendered.fault.message);
  return tokenizer.encode(rendered.value, false).ids;
}

function samplingOf(values: ParsedArguments['values']): Sampling {
  return {
    temperature: number(values, 'temperature', 0, 0, 100),
    topK: number(values, 'top-k', 0, 0, Infinity, true),
    topP: number(values, 'top-p', 1, 0, 1),
    minP: number(values, 'min-p', 0, 0, 1),
    repetitionPenalty: number(values, 'repetition-penalty', 1, 0.01, 100),
  };
}

function number(values: ParsedArguments['values'], option: string, missing: number, low: number, high: number, whole = false): number {
  const text = values[option];
  if (text === undefined) return missing;
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (value >= low && value <= high && (!whole || Number.isSafeInteger(value))) return value;
  const range = high === Infinity ? `of at least ${low}` : `from ${low} to ${high}`;
  throw new UsageError(`--${option} takes a ${whole ? 'whole ' : ''}number ${range}, not “${text}”.`);
}

function endText(end: GenerationEnd, tokens: number): string {
  switch (end.reason) {
    case 'endToken': return `${tokens} tokens; the model ended the text`;
    case 'maxTokens': return `${tokens} tokens, as many as --max-tokens allows`;
    case 'context': return `${tokens} tokens; the model's context is full`;
    case 'stop': return `${tokens} tokens; stopped before ${JSON.stringify(end.stop)}`;
    case 'cancelled': return `${tokens} tokens; cancelled`;
  }
}

function outcomeOf({ prompt, tokens, text, end }: Generation, given: string, { folder, tokenizer, provider }: ModelOnProvider, millis: number): Outcome {
  return {
    exitCode: 0,
    json: { model: folder.path, variant: folder.variant.name, provider, prompt: given, promptTokens: prompt, text, tokens: tokens.map((token) => ({ ...token, text: tokenizer.decode([token.id], true) })), end, millis: Math.round(millis) },
    lines: ['', `[${endText(end, tokens.length)}; on ${provider}]`],
  };
}

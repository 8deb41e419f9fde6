// gradlens generate: continues a prompt with a language model, and shows the text as it comes; or scores a given text.
import { imageFeatures } from './images.ts';
import type { Environment, Outcome } from './outcome.ts';
import { tableLines } from './table.ts';
import { modelProviders, providerOption } from './providers.ts';
import type { SteeredByFiles } from './steer.ts';
import { steeredByFiles, steerRequest } from './steer.ts';
import type { ParsedArguments } from './usage.ts';
import { UsageError } from './usage.ts';
import { ConfigFault } from '../lm/config.ts';
import type { GeneratedToken, GenerationEnd } from '../lm/generate.ts';
import { generate, promptFault } from '../lm/generate.ts';
import type { LanguageModel } from '../lm/languageModel.ts';
import { folderDecoder, openLanguageModel } from '../lm/languageModel.ts';
import { chooseDecoder } from '../lm/providerChoice.ts';
import { scoreContinuations, scoreItem } from '../lm/score.ts';
import { LanguageModelError } from '../lm/session.ts';
import type { Tokenizer } from '../lm/tokenizer.ts';
import type { ImagePrompt } from '../lm/visionEncoder.ts';
import { imagePrompt } from '../lm/visionEncoder.ts';
import { ModelHost, RuntimeError } from '../runtime/client.ts';
import { PreparedItems } from '../steering/steeredScores.ts';
import type { Provider } from '../runtime/protocol.ts';
import { Random } from '../shared/random.ts';
import type { Sampling } from '../shared/sampling.ts';

const DEFAULT_TOKENS = 128;

export async function generateText(args: ParsedArguments, environment: Environment): Promise<Outcome> {
  const { values, positionals } = args;
  if (positionals[0] !== undefined) throw new UsageError(`“${positionals[0]}” is too many: the prompt is given with --prompt, the model with --model.`);
  const { model, prompt } = values;
  if (model === undefined) throw new UsageError('Which model? Give its folder: --model FOLDER.');
  if (prompt === undefined) throw new UsageError('Which prompt? Give it with --prompt "TEXT".');
  const settings = settingsOf(args);
  const steer = (args.lists['steer'] ?? []).map(steerRequest);
  const host = ModelHost.start({ hostPath: environment.hostPath });
  try {
    const plain = await openedModel(host, model, args, environment);
    const steering = steer.length > 0 ? await steeredByFiles(host, plain.folder, steer, { provider: plain.provider }, environment.terminal) : null;
    const opened = { ...plain, steering };
    const written = await promptOf(opened, host, prompt, args);
    return await (values['score'] === undefined ? continued : scored)(opened, written, { args, settings, environment });
  } catch (error) {
    if (error instanceof LanguageModelError || error instanceof ConfigFault) throw new UsageError(error.message);
    if (error instanceof RuntimeError) throw new UsageError(`${model} cannot be run: ${error.message}`);
    throw error;
  } finally {
    host.dispose();
  }
}

interface ModelOnProvider extends LanguageModel {
  readonly provider: Provider;
}

interface GeneratingModel extends ModelOnProvider {
  /** With --steer. */
  readonly steering: SteeredByFiles | null;
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

interface Settings {
  readonly sampling: Sampling;
  readonly maxTokens: number;
  readonly seed: number;
}

const settingsOf = ({ values }: ParsedArguments): Settings => ({
  sampling: samplingOf(values),
  maxTokens: number(values, 'max-tokens', DEFAULT_TOKENS, 0, Infinity, true),
  seed: number(values, 'seed', 1, 0, 2 ** 32 - 1, true),
});

interface Request {
  readonly args: ParsedArguments;
  readonly settings: Settings;
  readonly environment: Environment;
}

interface Prompt extends ImagePrompt {
  /** What was asked for, as it was typed. */
  readonly given: string;
  /** The text that the tokens are of. */
  readonly text: string;
  /** Is the text ready as it stands, so that no token is put around it? */
  readonly rendered: boolean;
}

async function promptOf({ tokenizer, folder }: LanguageModel, host: ModelHost, given: string, { flags, lists }: ParsedArguments): Promise<Prompt> {
  const rendered = flags.has('chat');
  const text = rendered ? chatText(tokenizer, given) : given;
  const { ids } = tokenizer.encode(text, !rendered);
  const features = await imageFeatures(host, folder, lists['image'] ?? []);
  return { given, text, rendered, ...imagePrompt(ids, features, folder.tokens) };
}

function chatText(tokenizer: Tokenizer, prompt: string): string {
  const rendered = tokenizer.renderChat([{ role: 'user', content: prompt }]);
  if (!rendered.ok) throw new UsageError(rendered.fault.message);
  return rendered.value;
}

async function continued(model: GeneratingModel, prompt: Prompt, { args, settings, environment }: Request): Promise<Outcome> {
  const { decoder, tokenizer, folder, steering } = model;
  const started = environment.now();
  const options = { sampling: settings.sampling, maxTokens: settings.maxTokens, contextLength: folder.sizes.context, endIds: folder.tokens.eos, stop: args.lists['stop'] ?? [], cache: !args.flags.has('no-cache'), token: environment.token };
  const { embeddings } = prompt;
  const source = steering ? steering.steered.source({ applied: steering.applied, promptLength: prompt.ids.length, embeddings }) : { decoder, embeddings };
  const { tokens, text, end } = await generate(source, tokenizer, prompt.ids, options, new Random(settings.seed), (_token, piece) => {
    if (!args.json) environment.terminal.out(piece);
  });
  return {
    exitCode: 0,
    json: { ...modelJson(model), prompt: prompt.given, promptTokens: prompt.ids, text, tokens: tokens.map((token) => withText(tokenizer, token)), end, millis: Math.round(environment.now() - started) },
    lines: ['', `[${endText(end, tokens.length)}; on ${model.provider}]`],
  };
}

/** log p(text | prompt) under the model, token by token. */
async function scored({ decoder, tokenizer, folder, provider, steering }: GeneratingModel, prompt: Prompt, { args }: Request): Promise<Outcome> {
  const text = args.values['score'] ?? '';
  const joined = prompt.rendered || prompt.embeddings.length > 0 ? { prompt: prompt.ids, continuation: tokenizer.encode(text, false).ids } : scoreItem(tokenizer, prompt.text, text);
  const fault = promptFault([...joined.prompt, ...joined.continuation.slice(0, -1)], { decoder, embeddings: prompt.embeddings }, folder.sizes.context);
  if (fault) throw new LanguageModelError(fault);
  const items = [{ ...joined, embeddings: prompt.embeddings }];
  const [score] = steering ? await new PreparedItems(steering.steered, items).score(steering.steered.amounts(steering.applied)) : await scoreContinuations(decoder, items);
  const tokens = joined.continuation.map((id, i) => withText(tokenizer, { id, logProbability: score?.perToken[i] ?? Number.NaN }));
  const total = score?.logProbability ?? Number.NaN;
  return {
    exitCode: 0,
    json: { ...modelJson({ folder, provider, steering }), prompt: prompt.given, promptTokens: joined.prompt, score: { text, logProbability: total, perToken: tokens } },
    lines: [
      ...tableLines([['token', 'log p', 'p'], ...tokens.map((token) => [JSON.stringify(token.text), token.logProbability.toFixed(4), Math.exp(token.logProbability).toFixed(4)])]),
      `log p(text | prompt) = ${total.toFixed(4)} nats over ${tokens.length} tokens: ${(-total / tokens.length).toFixed(4)} a token`,
    ],
  };
}

const modelJson = ({ folder, provider, steering }: Pick<GeneratingModel, 'folder' | 'provider' | 'steering'>) => ({ model: folder.path, variant: folder.variant.name, provider, ...(steering ? { steer: steering.about } : {}) });

const withText = (tokenizer: Tokenizer, token: GeneratedToken) => ({ ...token, text: tokenizer.decode([token.id], true) });

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

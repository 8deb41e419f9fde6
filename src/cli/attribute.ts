// gradlens attribute: which tokens of a prompt, or patches of an image, speak for one response and against another.
import type { AttributionReport } from './attributionReport.ts';
import { attributionJson, attributionLines } from './attributionReport.ts';
import { imageFeatures } from './images.ts';
import type { Environment, Outcome } from './outcome.ts';
import { providerOption } from './providers.ts';
import { LiveLine } from './terminal.ts';
import type { ParsedArguments } from './usage.ts';
import { UsageError } from './usage.ts';
import { ConfigFault } from '../lm/config.ts';
import type { ModelFolder } from '../lm/folder.ts';
import { openModelFolder } from '../lm/folder.ts';
import { folderTokenizer } from '../lm/languageModel.ts';
import { LanguageModelError } from '../lm/session.ts';
import { findSites } from '../lm/sites.ts';
import type { Tokenizer } from '../lm/tokenizer.ts';
import { ModelHost, RuntimeError } from '../runtime/client.ts';
import type { Provider } from '../runtime/protocol.ts';
import { sizeText } from '../shared/sizeText.ts';
import type { Attribution, AttributionPlan, AttributionRequest, Attributor } from '../steering/attribution.ts';
import { DEFAULT_STEPS, openAttributor } from '../steering/attribution.ts';
import type { Baseline } from '../steering/baseline.ts';
import { likeliestResponses } from '../steering/likeliest.ts';
import type { AttributionMethod } from '../steering/path.ts';
import type { PromptTokens } from '../steering/promptTokens.ts';
import { promptTokens, responseTokens } from '../steering/promptTokens.ts';
import { AttributionError, requestProblem } from '../steering/requestProblem.ts';
import { DEFAULT_SET_SIZE } from '../steering/tokenSets.ts';

export async function attribute(args: ParsedArguments, environment: Environment): Promise<Outcome> {
  const { values, positionals } = args;
  if (positionals[0] !== undefined) throw new UsageError(`“${positionals[0]}” is too many: the prompt is given with --prompt, the model with --model.`);
  const { model, prompt } = values;
  if (model === undefined) throw new UsageError('Which model? Give its folder: --model FOLDER.');
  if (prompt === undefined) throw new UsageError('Which prompt? Give it with --prompt "TEXT".');
  if (values['dispreferred'] !== undefined && values['preferred'] === undefined) throw new UsageError('--dispreferred is spoken against in comparison with another response: give that one with --preferred.');
  const settings = settingsOf(args);
  const host = ModelHost.start({ hostPath: environment.hostPath });
  try {
    return outcomeOf(await attributed(host, model, prompt, { args, settings, environment }));
  } catch (error) {
    if (error instanceof AttributionError || error instanceof LanguageModelError || error instanceof ConfigFault) throw new UsageError(error.message);
    if (error instanceof RuntimeError) throw new UsageError(`${model} cannot be run: ${error.message}`);
    throw error;
  } finally {
    host.dispose();
  }
}

const outcomeOf = (report: AttributionReport): Outcome => ({ exitCode: 0, json: attributionJson(report), lines: attributionLines(report) });

interface Settings extends Pick<AttributionRequest, 'method' | 'baseline' | 'steps' | 'refine' | 'over' | 'seed' | 'memoryBudget'> {
  readonly setSize: number;
  readonly provider: Provider;
}

interface Work {
  readonly args: ParsedArguments;
  readonly settings: Settings;
  readonly environment: Environment;
}

async function attributed(host: ModelHost, location: string, given: string, { args, settings, environment }: Work): Promise<AttributionReport> {
  const { folder, tokenizer } = openedFolder(location, args.values['variant']);
  const rendered = args.flags.has('chat');
  const text = rendered ? chatText(tokenizer, given) : given;
  const { setSize, provider, ...options } = settings;
  const images = await imageFeatures(host, folder, args.lists['image'] ?? []);
  const whole = promptTokens({ tokenizer, folder, text, images, rendered });
  if (whole.ids.length === whole.special.length) throw new UsageError('The prompt is empty: there is nothing to attribute to. Give a text with --prompt.');
  const asked = askedOf(tokenizer, whole, text, args);
  // What can be seen without the model is said before it is opened.
  const problem = requestProblem({ prompt: asked.prompt.ids, images: asked.prompt.images, preferred: asked.responses[0] ?? [0], dispreferred: asked.responses[1] ?? null }, folder);
  if (problem) throw new AttributionError(problem);
  const opened = await openAttributor(folder, host, { session: { provider }, token: environment.token });
  if (!opened.ok) throw new UsageError(opened.problem.message);
  const { attributor } = opened;
  const { prompt } = asked;
  const responses = asked.responses.length > 0 ? asked.responses : await likeliestResponses(attributor, { prompt: prompt.ids, images: prompt.images, token: environment.token });
  const layers = args.flags.has('layers') ? layersOf(folder) : [];
  const request: AttributionRequest = { ...options, prompt: prompt.ids, images: prompt.images, fixed: prompt.special, layers, preferred: responses[0] ?? [], dispreferred: responses[1] ?? null };
  announce(await attributor.plan(request, environment.token), environment);
  const attribution = await shown(attributor, request, environment);
  return { folder, tokenizer, provider, text, prompt, responses, attribution, setSize };
}

async function shown(attributor: Attributor, request: AttributionRequest, { terminal, token }: Environment): Promise<Attribution> {
  const line = new LiveLine(terminal);
  try {
    return await attributor.attribute(request, { token, onProgress: (done, total) => {
      if (terminal.live) line.rewrite(`${done} of ${total} gradients`);
    } });
  } finally {
    line.end();
  }
}

function openedFolder(location: string, variant: string | undefined): { readonly folder: ModelFolder; readonly tokenizer: Tokenizer } {
  const opened = openModelFolder(location, { variant });
  if (!opened.ok) throw new UsageError(opened.problem.message);
  const tokenizer = folderTokenizer(opened.folder);
  if (!tokenizer.ok) throw new UsageError(tokenizer.fault.message);
  return { folder: opened.folder, tokenizer: tokenizer.value };
}

function chatText(tokenizer: Tokenizer, prompt: string): string {
  const rendered = tokenizer.renderChat([{ role: 'user', content: prompt }]);
  if (!rendered.ok) throw new UsageError(rendered.fault.message);
  return rendered.value;
}

/** The responses that are asked about, if any, and the prompt as it stands before them. */
function askedOf(tokenizer: Tokenizer, whole: PromptTokens, text: string, { values, flags }: ParsedArguments): { readonly prompt: PromptTokens; readonly responses: readonly (readonly number[])[] } {
  const { preferred, dispreferred } = values;
  if (preferred === undefined) return { prompt: whole, responses: [] };
  const texts = [preferred, ...(dispreferred === undefined ? [] : [dispreferred])];
  const { promptLength, responses } = responseTokens(tokenizer, whole, text, texts, flags.has('chat') || whole.images.length > 0);
  return { prompt: { ...whole, ids: whole.ids.slice(0, promptLength), ranges: whole.ranges.slice(0, promptLength), special: whole.special.filter((place) => place < promptLength) }, responses };
}

function layersOf({ file }: ModelFolder): readonly string[] {
  const found = findSites(file.graph);
  return found.ok ? found.sites.filter(({ kind }) => kind === 'resid_post').map(({ name }) => name) : [];
}

function announce({ points, mostPoints, rowsPerPoint, chunk, length, bytes }: AttributionPlan, { terminal }: Environment): void {
  const count = mostPoints > points ? `${points} to ${mostPoints}` : String(points);
  terminal.err(`${count} gradients of ${rowsPerPoint === 1 ? '' : 'two rows of '}${length} tokens, ${chunk} at once; about ${sizeText(bytes)} beside the model.\n`);
}

const methods: readonly AttributionMethod[] = ['ig', 'idgi', 'smoothgrad', 'gradxact'];
const baselines: readonly Baseline[] = ['zero', 'pad', 'mean'];

function settingsOf(args: ParsedArguments): Settings {
  const { values } = args;
  const method = oneOf(values, 'method', methods);
  const provider = providerOption(args);
  return {
    method, provider: provider === 'auto' ? 'cpu' : provider,
    baseline: oneOf(values, 'baseline', baselines),
    over: oneOf(values, 'over', ['sum', 'mean'] as const),
    steps: whole(values, 'steps', DEFAULT_STEPS, 1, 10_000),
    refine: method === 'ig' && values['steps'] === undefined ? {} : undefined,
    seed: whole(values, 'seed', 1, 0, 2 ** 32 - 1),
    setSize: whole(values, 'set-size', DEFAULT_SET_SIZE, 1, 10_000),
    memoryBudget: values['memory'] === undefined ? undefined : whole(values, 'memory', 0, 1, 2 ** 30) * 2 ** 20,
  };
}

function oneOf<T extends string>(values: ParsedArguments['values'], option: string, known: readonly T[]): T {
  const wanted = values[option] ?? known[0];
  const found = known.find((name) => name === wanted);
  if (found === undefined) throw new UsageError(`--${option} takes one of ${known.join(', ')}, not “${wanted}”.`);
  return found;
}

function whole(values: ParsedArguments['values'], option: string, missing: number, low: number, high: number): number {
  const text = values[option];
  if (text === undefined) return missing;
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (Number.isSafeInteger(value) && value >= low && value <= high) return value;
  throw new UsageError(`--${option} takes a whole number from ${low} to ${high}, not “${text}”.`);
}

// Command-line arguments: what each command takes, its help, and what to say about arguments that make no sense.
import { parseArgs } from 'node:util';
import { suggestion } from '../rasp/rasp/suggestion.ts';

/** Wrong use or bad input: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

interface OptionUsage {
  readonly value: string;
  readonly purpose: string;
  /** One letter: `-o`. */
  readonly short?: string;
  /** May be given several times. */
  readonly multiple?: true;
}

export interface CommandUsage {
  readonly arguments: string;
  readonly purpose: string;
  /** Options with a value, and what the value is. */
  readonly options: Readonly<Record<string, OptionUsage>>;
  /** Options without one, beside `json` and `help`, which every command has. */
  readonly flags?: Readonly<Record<string, string>>;
}

const entry = { value: 'NAME', purpose: 'the s-op or function that is meant; default: the last one of the file' };
const provider = { value: 'NAME', purpose: 'runs on this execution provider (see gradlens providers); default auto: the fastest that agrees with CPU' };
const model = { value: 'FOLDER', purpose: 'the model\'s folder, or an .onnx file in it' } as const;
const variant = { value: 'VARIANT', purpose: 'fp32, fp16, q4, …; default: the most exact of the folder' } as const;
const cpuUnlessAsked = { value: 'NAME', purpose: 'runs on this execution provider (see gradlens providers); default cpu' } as const;
const image = { value: 'FILE', purpose: 'an image (PNG, JPEG or PPM) for a vision-language model, in place of its token in the prompt (else before the text); may be given several times', multiple: true } as const;
const seed = { value: 'NUMBER', purpose: 'seed of the random numbers; default 1' } as const;
const examples = { value: 'FILE', purpose: 'JSON lines {"input": […], "output": […]}; default: the program\'s “#:” lines and NAME.examples.jsonl beside it' };

export const commands = {
  check: {
    arguments: '<program>',
    purpose: 'says what is wrong with a program and runs its examples',
    options: { entry, examples },
  },
  run: {
    arguments: '<program|model.onnx> --input JSON',
    purpose: 'runs a program, or a compiled one, on one input',
    options: { entry, input: { value: 'JSON', purpose: 'the input, for example \'["a", "b"]\' or \'[3, 1, 2]\'' } },
  },
  compile: {
    arguments: '<program> --vocab JSON --max-length N -o FILE.onnx',
    purpose: 'compiles a program into the ONNX model of a transformer',
    options: {
      entry,
      vocab: { value: 'JSON', purpose: 'the tokens that an input may hold, for example \'["a", "b"]\'' },
      'max-length': { value: 'NUMBER', purpose: 'the longest input, in tokens' },
      form: { value: 'FORM', purpose: 'weights (default): a transformer; tables: the ops as tables' },
      out: { value: 'FILE.onnx', purpose: 'where the model is written', short: 'o' },
    },
    flags: { causal: 'positions see themselves and earlier ones only' },
  },
  repl: {
    arguments: '[program]',
    purpose: 'runs RASP statements as you type them, or as a pipe gives them; the program is loaded first',
    options: {},
  },
  repair: {
    arguments: '<program> [--examples FILE]',
    purpose: 'repairs a program from examples of right behaviour',
    options: {
      entry,
      examples,
      test: { value: 'FILE', purpose: 'examples that are held out and only reported on' },
      method: { value: 'METHOD', purpose: 'auto (default), search, edits, tables or weights (a trained model, and a patch where one can be read from it)' },
      budget: { value: 'SECONDS', purpose: 'how long to try; default 60' },
      processes: { value: 'NUMBER', purpose: 'processes that compute at once; default 2 where there are as many cores' },
      seed,
      provider: { ...provider, purpose: 'computes gradients on this execution provider; default auto: CPU, the fastest for graphs as small as a program' },
      out: { value: 'DIR', purpose: 'writes the patched program (or the trained model) and report.json there' },
    },
  },
  generate: {
    arguments: '--model FOLDER --prompt TEXT',
    purpose: 'continues a prompt with a language model (ONNX), as the text comes, or scores a text after it',
    options: {
      model: { value: 'FOLDER', purpose: 'the model\'s folder (config.json, tokenizer.json, onnx/model.onnx), or an .onnx file in it' },
      prompt: { value: 'TEXT', purpose: 'the text to go on from' },
      variant: { value: 'VARIANT', purpose: 'fp32, fp16, q4, q4f16, int8, …; default: the most exact of the folder that runs here' },
      'max-tokens': { value: 'NUMBER', purpose: 'at most so many new tokens; default 128' },
      temperature: { value: 'NUMBER', purpose: '0 (default): always the likeliest token; 1: as the model has it' },
      'top-k': { value: 'NUMBER', purpose: 'draws from this many likeliest tokens; 0 (default): all' },
      'top-p': { value: 'NUMBER', purpose: 'draws from the fewest tokens with this probability together; default 1' },
      'min-p': { value: 'NUMBER', purpose: 'draws from tokens at least this share as likely as the likeliest; default 0' },
      'repetition-penalty': { value: 'NUMBER', purpose: 'above 1: makes tokens that were there less likely; default 1' },
      seed,
      provider,
      image,
      steer: { value: 'FILE:STRENGTH', purpose: 'steers with a vector of gradlens vector; FILE:STRENGTH@2-5 at these of its layers only; may be given several times', multiple: true },
      score: { value: 'TEXT', purpose: 'writes nothing: says how likely the model finds this text after the prompt, token by token' },
      stop: { value: 'TEXT', purpose: 'ends before this text; may be given several times', multiple: true },
    },
    flags: { chat: 'the prompt is a user\'s message, put into the model\'s chat template', 'no-cache': 'runs the whole text again for each token' },
  },
  attribute: {
    arguments: '--model FOLDER --prompt TEXT [--preferred TEXT [--dispreferred TEXT]]',
    purpose: 'says which tokens of a prompt speak for one response and against another, by gradients',
    options: {
      model,
      prompt: { value: 'TEXT', purpose: 'the text whose tokens are asked about' },
      preferred: { value: 'TEXT', purpose: 'the response that is spoken for; default: the likeliest next token, against the second likeliest' },
      dispreferred: { value: 'TEXT', purpose: 'the response that is spoken against; without it: log p of the preferred one alone' },
      method: { value: 'METHOD', purpose: 'ig (default): integrated gradients; idgi: adds up by construction; smoothgrad; gradxact: gradient times embedding' },
      baseline: { value: 'BASELINE', purpose: 'what a prompt that says nothing is: zero (default), pad or mean embeddings; special tokens stay' },
      steps: { value: 'NUMBER', purpose: 'points of the path, or samples; default: 20, and for ig more where the answer bends, until the numbers add up to 1 %' },
      over: { value: 'sum|mean', purpose: 'a response\'s log p is the sum (default) or the mean of its tokens\'' },
      'set-size': { value: 'NUMBER', purpose: 'tokens in each of the sets of the strongest, S+ and S−; default 10' },
      seed: { value: 'NUMBER', purpose: 'seed of smoothgrad\'s noise; default 1' },
      memory: { value: 'MIB', purpose: 'MiB that gradients may take beside the model; default: what the machine has to spare, 2048 at most' },
      variant,
      provider: cpuUnlessAsked,
      image,
    },
    flags: { layers: 'shows what passes through each token in each layer as well', chat: 'the prompt is a user\'s message, put into the model\'s chat template' },
  },
  vector: {
    arguments: 'grains --model FOLDER --pairs FILE.jsonl -o FILE.safetensors | probe --model FOLDER --probe FILE.probe.json -o FILE.safetensors',
    purpose: 'makes a steering vector from pairs of a preferred and a dispreferred response, by attribution (GrAInS), or of a probe\'s direction',
    options: {
      model,
      variant,
      probe: { value: 'FILE.probe.json', purpose: 'for “probe”: its unit direction; a positive strength makes a text less supported' },
      pairs: { value: 'FILE.jsonl', purpose: 'JSON lines {"prompt": …, "preferred": …, "dispreferred": …}, and "image": FILE for vision-language models' },
      mode: { value: 'MODE', purpose: 'both (default): what speaks for the preferred response less what speaks against it; positive or negative: one of the two' },
      k: { value: 'NUMBER', purpose: 'tokens that speak most for, and against; default 10' },
      direction: { value: 'DIRECTION', purpose: 'pca (default, as published), uncentred, or mean' },
      method: { value: 'METHOD', purpose: 'ig (default), idgi, gradxact or smoothgrad' },
      baseline: { value: 'BASELINE', purpose: 'where the attribution\'s path begins: zero (default), pad or mean' },
      steps: { value: 'NUMBER', purpose: 'points of the attribution\'s path; default 20' },
      layers: { value: 'A-B', purpose: 'only these layers, from 0; default: all, or those that the validation pairs choose' },
      validation: { value: 'FILE.jsonl', purpose: 'other pairs, on which layers and strength are chosen' },
      seed,
      out: { value: 'FILE.safetensors', purpose: 'where the vector is written', short: 'o' },
    },
    flags: { refine: 'takes more points of the path where the contrast bends, until the attribution adds up' },
  },
  probe: {
    arguments: 'train --model FOLDER --data FILE.jsonl -o NAME | score|localise --model FOLDER --probe FILE --context FILE --text FILE',
    purpose: 'trains a linear probe that tells statements a context does not support; scores a text\'s sentences; says where a score comes from',
    options: {
      model,
      variant,
      provider: cpuUnlessAsked,
      data: { value: 'FILE.jsonl', purpose: 'JSON lines {"context": …, "continuation": …, "label": 0 supported | 1 not}, HaluEval QA rows, or a folder with RAGTruth\'s response.jsonl and source_info.jsonl' },
      layers: { value: 'A-B', purpose: 'train: only these layers, from 0; default: all' },
      site: { value: 'SITE', purpose: 'train: resid_post (default), the stream after a layer, or resid_mid, between its attention and its MLP' },
      before: { value: 'TEXT', purpose: 'train: what stands before the context; \\n is a line break; default: nothing' },
      between: { value: 'TEXT', purpose: 'train: what stands between context and statement; default: \\n\\n' },
      seed: { value: 'NUMBER', purpose: 'train: seed of folds and resamples; default 1' },
      out: { value: 'NAME', purpose: 'train: writes NAME.probe.json and NAME.probe.safetensors', short: 'o' },
      probe: { value: 'FILE.probe.json', purpose: 'score, localise: the probe' },
      context: { value: 'FILE', purpose: 'score, localise: the context' },
      text: { value: 'FILE', purpose: 'score, localise: the text whose sentences are scored' },
      sentence: { value: 'NUMBER', purpose: 'localise: this sentence, from 1; default: the one with the highest score' },
      top: { value: 'NUMBER', purpose: 'localise: rows of each table; default 10' },
    },
  },
  models: {
    arguments: 'list [FOLDER…] | sites <model> | download <owner/name>',
    purpose: 'lists language models, shows where one\'s residual stream is read and written, or brings one from the Hub (HF_ENDPOINT, HF_TOKEN)',
    options: {
      revision: { value: 'REVISION', purpose: 'branch, tag or commit; default main' },
      variant: { value: 'VARIANT', purpose: 'fp32, fp16, q4, q4f16, int8, quantized, …; default: fp32 where there is one, else the smallest (for sites: the file without a suffix)' },
      to: { value: 'DIR', purpose: 'the model\'s folder; default: .gradlens/models/OWNER/NAME in the home folder, or in GRADLENS_MODELS' },
    },
  },
  providers: { arguments: '', purpose: 'says which execution providers work here, with the self-check\'s figures', options: {} },
} as const satisfies Record<string, CommandUsage>;

export type CommandName = keyof typeof commands;

export const isCommand = (name: string): name is CommandName => Object.hasOwn(commands, name);

export function generalHelp(): string {
  const rows = Object.entries(commands).map(([name, { arguments: args, purpose }]) => `  ${`gradlens ${name} ${args}`.padEnd(70)}${purpose}`);
  return ['Repairs RASP programs by following gradients; attributes, probes and steers language models in ONNX.', '', ...rows, '', 'Every command takes --json (one JSON document on stdout) and --help.'].join('\n');
}

export function commandHelp(name: CommandName): string {
  const usage: CommandUsage = commands[name];
  const rows = [
    ...Object.entries(usage.options).map(([option, { value, purpose, short }]) => [`${short ? `-${short}, ` : ''}--${option} ${value}`, purpose] as const),
    ...Object.entries(usage.flags ?? {}).map(([flag, purpose]) => [`--${flag}`, purpose] as const),
    ['--json', 'one JSON document on stdout and nothing else'] as const,
  ];
  const width = Math.max(22, ...rows.map(([option]) => option.length + 2));
  return [`gradlens ${name} ${usage.arguments}`.trimEnd(), `  ${usage.purpose}`, '', ...rows.map(([option, purpose]) => `  ${option.padEnd(width)}${purpose}`)].join('\n');
}

export interface ParsedArguments {
  readonly positionals: readonly string[];
  readonly values: Readonly<Record<string, string | undefined>>;
  /** All values of the options that may be given several times. */
  readonly lists: Readonly<Record<string, readonly string[]>>;
  /** Those that are given. */
  readonly flags: ReadonlySet<string>;
  readonly help: boolean;
  readonly json: boolean;
}

/** @throws UsageError for unknown options and missing values, with the option that was probably meant. */
export function parseCommand(name: CommandName, args: readonly string[]): ParsedArguments {
  const usage: CommandUsage = commands[name];
  const names = Object.keys(usage.options);
  const flags = [...Object.keys(usage.flags ?? {}), 'json', 'help'];
  const options = Object.fromEntries([
    ...Object.entries(usage.options).map(([option, { short, multiple }]) => [option, { type: 'string', ...(short ? { short } : {}), ...(multiple ? { multiple } : {}) }] as const),
    ...flags.map((option) => [option, { type: 'boolean' }] as const),
  ]);
  const { tokens, values, positionals } = parseArgs({ args: [...args], options, strict: false, allowPositionals: true, tokens: true });
  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    if (!Object.hasOwn(options, token.name)) throw unknownOption(token.rawName, name, [...names, ...flags]);
    if (names.includes(token.name) && (token.value === undefined || token.value === '')) {
      throw new UsageError(`${token.rawName} needs a value: ${token.rawName} ${usage.options[token.name]?.value ?? ''}`);
    }
  }
  const texts = names.map((option) => [option, values[option]] as const).filter((pair): pair is [string, string] => typeof pair[1] === 'string');
  const lists = names.flatMap((option) => {
    const given: unknown = values[option];
    return Array.isArray(given) ? [[option, given.map(String)] as const] : [];
  });
  return { positionals, lists: Object.fromEntries(lists), values: Object.fromEntries(texts), flags: new Set(flags.filter((flag) => values[flag] === true)), help: values['help'] === true, json: values['json'] === true };
}

function unknownOption(written: string, name: CommandName, known: readonly string[]): UsageError {
  const meant = suggestion(written.replace(/^-+/, ''), known);
  const hint = meant ? `Did you mean --${meant}?` : `Its options: ${known.map((option) => `--${option}`).join(', ')}.`;
  return new UsageError(`gradlens ${name} has no option ${written}. ${hint}`);
}

export function unknownCommand(name: string): UsageError {
  const meant = suggestion(name, Object.keys(commands));
  return new UsageError(`There is no command “${name}”. ${meant ? `Did you mean “gradlens ${meant}”?` : `The commands: ${Object.keys(commands).join(', ')}.`}`);
}

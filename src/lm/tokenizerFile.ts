// The parts of tokenizer.json and tokenizer_config.json that are read here, checked.
import * as v from 'valibot';

const Part = v.nullish(v.looseObject({ type: v.string() }), null);

const File = v.looseObject({
  model: v.looseObject({ type: v.optional(v.string(), 'BPE'), byte_fallback: v.nullish(v.boolean()), end_of_word_suffix: v.nullish(v.string()), continuing_subword_prefix: v.nullish(v.string()) }),
  normalizer: Part,
  pre_tokenizer: Part,
  post_processor: Part,
  decoder: Part,
  added_tokens: v.optional(v.array(v.looseObject({ id: v.number(), content: v.string(), normalized: v.optional(v.boolean(), false), special: v.optional(v.boolean(), false) })), []),
});

const SpecialToken = v.nullish(v.union([v.string(), v.pipe(v.looseObject({ content: v.string() }), v.transform(({ content }) => content))]));

const Config = v.looseObject({
  bos_token: SpecialToken,
  eos_token: SpecialToken,
  pad_token: SpecialToken,
  unk_token: SpecialToken,
  chat_template: v.nullish(v.union([v.string(), v.array(v.object({ name: v.string(), template: v.string() })), v.record(v.string(), v.string())])),
});

export type TokenizerJSON = v.InferInput<typeof File>;
export type TokenizerFile = v.InferOutput<typeof File>;
export type TokenizerConfig = v.InferOutput<typeof Config>;

export interface TokenizerFault {
  readonly code: 'badTokenizer' | 'noChatTemplate' | 'chatTemplateFailed';
  readonly message: string;
}

export type Checked<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly fault: TokenizerFault };

function checked<T>(schema: v.GenericSchema<unknown, T>, value: unknown, file: string): Checked<T> {
  const result = v.safeParse(schema, value);
  if (result.success) return { ok: true, value: result.output };
  const [issue] = result.issues;
  const place = v.getDotPath(issue);
  return { ok: false, fault: { code: 'badTokenizer', message: `${file} is not usable${place === null ? '' : ` at ${place}`}: ${issue.message}. Take the file again from where the model was published.` } };
}

export const checkTokenizer = (value: unknown): Checked<TokenizerFile> => checked(File, value, 'tokenizer.json');
export const checkConfig = (value: unknown): Checked<TokenizerConfig> => checked(Config, value, 'tokenizer_config.json');

// Text to tokens and back, every token with its place in the text; chats to prompts.
import { Template } from '@huggingface/jinja';
import { Tokenizer as LibraryTokenizer } from '@huggingface/tokenizers';
import type { AlignedText, NormalizerConfig } from './alignedText.ts';
import { aligner, cut, joined, patternOf, plain, replaced } from './alignedText.ts';
import { TextDecoding } from './textDecoding.ts';
import type { Checked, TokenizerConfig, TokenizerFile, TokenizerFault } from './tokenizerFile.ts';
import { checkConfig, checkTokenizer } from './tokenizerFile.ts';
import type { Range, Surface } from './tokenRanges.ts';
import { byteOfCharacter, tokenRanges } from './tokenRanges.ts';

export interface Encoded {
  readonly ids: readonly number[];
  /** Of each token, its place in the text; empty for tokens that the tokenizer adds. */
  readonly ranges: readonly Range[];
}

export interface ChatMessage {
  readonly role: string;
  readonly content: string;
}

export interface TokenizerSources {
  /** tokenizer.json, parsed. */
  readonly tokenizer: unknown;
  /** tokenizer_config.json, parsed. */
  readonly config?: unknown;
  /** chat_template.jinja, which overrules the config's. */
  readonly chatTemplate?: string | undefined;
}

/** @returns the tokenizer, or what is wrong with its files */
export function readTokenizer({ tokenizer, config = {}, chatTemplate }: TokenizerSources): Checked<Tokenizer> {
  const file = checkTokenizer(tokenizer);
  if (!file.ok) return file;
  const settings = checkConfig(config ?? {});
  if (!settings.ok) return settings;
  try {
    return { ok: true, value: new Tokenizer(file.value, settings.value, chatTemplate) };
  } catch (error) {
    return { ok: false, fault: { code: 'badTokenizer', message: `tokenizer.json cannot be used: ${messageOf(error)}. Take the file again from where the model was published.` } };
  }
}

/** Patterns that fail are part of what their engine says, and may be as long as the file. */
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error)).replace(/^(.{100}).{200,}(.{100})$/s, '$1 … $2');

export class Tokenizer {
  private readonly library: LibraryTokenizer;
  private readonly align: (source: AlignedText) => AlignedText;
  private readonly added: ReadonlySet<string>;
  private readonly rawAdded: RegExp | null;
  private readonly prefix: readonly number[];
  private readonly suffix: readonly number[];
  private readonly byteLevel: boolean;
  private readonly spaces: string | null;

  constructor(
    private readonly file: TokenizerFile,
    private readonly config: TokenizerConfig,
    private readonly chatTemplate: string | undefined,
  ) {
    this.library = new LibraryTokenizer(file, config);
    this.align = aligner(file.normalizer as NormalizerConfig | null);
    this.added = new Set(file.added_tokens.map(({ content }) => content));
    const raw = file.added_tokens.filter(({ normalized }) => !normalized || !file.normalizer).map(({ content }) => content);
    this.rawAdded = oneOf(raw);
    [this.prefix, this.suffix] = this.frame();
    const steps = [file.pre_tokenizer, file.decoder].flatMap(partsOf);
    this.byteLevel = steps.some(({ type }) => type === 'ByteLevel');
    const metaspace = partsOf(file.pre_tokenizer).find(({ type }) => type === 'Metaspace');
    this.spaces = metaspace ? String(metaspace['replacement'] ?? '▁') : null;
    // Patterns are compiled when they are used first: what cannot be used is found here.
    this.encode('a b');
  }

  /** What is put before and after every text. */
  private frame(): readonly [readonly number[], readonly number[]] {
    const bare = this.library.encode('a', { add_special_tokens: false }).ids;
    const framed = this.library.encode('a').ids;
    for (let at = 0; at + bare.length <= framed.length; at++) {
      if (bare.every((id, i) => framed[at + i] === id)) return [framed.slice(0, at), framed.slice(at + bare.length)];
    }
    return [[], []];
  }

  /** @param special puts the tokens of the template (such as the beginning of text) around the text */
  encode(text: string, special = true): Encoded {
    const { ids, tokens } = text === '' ? { ids: [], tokens: [] } : this.library.encode(text, { add_special_tokens: false });
    const ranges = tokenRanges(this.normalised(text), tokens.map((token, i) => this.surface(token, ids[i])), text.length);
    if (!special) return { ids, ranges };
    const at = (place: number): Range => ({ start: place, end: place });
    return {
      ids: [...this.prefix, ...ids, ...this.suffix],
      ranges: [...this.prefix.map(() => at(0)), ...ranges, ...this.suffix.map(() => at(text.length))],
    };
  }

  /** The text as the model sees it; added tokens that are found before normalisation stay as they are. */
  private normalised(text: string): AlignedText {
    const source = plain(text);
    const pieces: AlignedText[] = [];
    let at = 0;
    for (const match of this.rawAdded ? text.matchAll(this.rawAdded) : []) {
      if (match.index > at) pieces.push(this.align(cut(source, at, match.index)));
      pieces.push(cut(source, match.index, match.index + match[0].length));
      at = match.index + match[0].length;
    }
    if (at < text.length) pieces.push(this.align(cut(source, at)));
    const whole = joined(pieces);
    return this.spaces === null ? whole : replaced(whole, patternOf({ String: ' ' }), this.spaces);
  }

  private surface(token: string, id: number | undefined): Surface {
    const { unk_token: unknown } = this.file.model as { unk_token?: unknown };
    if (id === undefined || (token === unknown && !this.added.has(token))) return { kind: 'unknown' };
    if (this.added.has(token)) return token === unknown ? this.unknownOrLiteral(token) : bytes(token);
    if (this.byteLevel) {
      const own = [...token].map((character) => byteOfCharacter.get(character));
      return own.every((byte) => byte !== undefined) ? { kind: 'bytes', bytes: Uint8Array.from(own), optional: own[0] === 0x20 ? 1 : 0 } : bytes(token);
    }
    const byte = this.file.model.byte_fallback ? /^<0x([0-9A-F]{2})>$/i.exec(token)?.[1] : undefined;
    if (byte !== undefined) return { kind: 'bytes', bytes: Uint8Array.of(parseInt(byte, 16)), optional: 0 };
    return this.word(token);
  }

  /** Written in the text it is found as it stands, else it stands for anything. */
  private unknownOrLiteral(token: string): Surface {
    return this.file.model.byte_fallback ? bytes(token) : { kind: 'unknown' };
  }

  private word(token: string): Surface {
    const { end_of_word_suffix: suffix, continuing_subword_prefix: own, type } = this.file.model;
    const prefix = own ?? (type === 'WordPiece' ? '##' : '');
    const start = prefix !== '' && token.startsWith(prefix) ? prefix.length : 0;
    const end = suffix && token.endsWith(suffix) ? -suffix.length : undefined;
    return bytes(token.slice(start, end));
  }

  /** The text as the model wrote it: no spaces are tidied away. Special tokens are left out unless asked for. */
  decode(ids: readonly number[], special = false): string {
    return ids.length === 0 ? '' : this.library.decode([...ids], { skip_special_tokens: !special, clean_up_tokenization_spaces: false });
  }

  /** Decodes what follows `context`, token by token. */
  stream(context: readonly number[] = []): TextDecoding {
    return new TextDecoding((ids) => this.decode(ids), context);
  }

  /** Is the token one of those that frame texts (beginning, padding, turns of a chat), and no part of what they say? */
  isSpecial(id: number): boolean {
    return this.prefix.includes(id) || this.suffix.includes(id) || this.file.added_tokens.some((token) => token.id === id && token.special);
  }

  idOf(token: string): number | null {
    return this.library.token_to_id(token) ?? null;
  }

  /**
   * The prompt of a chat, ready to be encoded without the tokens around it.
   * `template` names one where the model has several.
   */
  renderChat(messages: readonly ChatMessage[], template = 'default'): Checked<string> {
    const text = this.chatTemplate ?? named(this.config.chat_template, template);
    if (text === null) return { ok: false, fault: this.missingTemplate(template) };
    const { bos_token: bos, eos_token: eos, pad_token: pad, unk_token: unk } = this.config;
    try {
      const rendered = new Template(text).render({ messages, add_generation_prompt: true, bos_token: bos ?? '', eos_token: eos ?? '', pad_token: pad ?? '', unk_token: unk ?? '' });
      return { ok: true, value: rendered };
    } catch (error) {
      return { ok: false, fault: { code: 'chatTemplateFailed', message: `The model's chat template cannot be rendered: ${messageOf(error)}. It may not take the role of a message (${[...new Set(messages.map(({ role }) => role))].join(', ')}); else use the prompt as plain text.` } };
    }
  }

  private missingTemplate(template: string): TokenizerFault {
    const names = templateNames(this.config.chat_template);
    const message = names.length > 0
      ? `The model has no chat template “${template}”. It has: ${names.join(', ')}.`
      : 'The model has no chat template (chat_template in tokenizer_config.json, or chat_template.jinja): it is not made for chats. Use the prompt as plain text, or a model that is tuned for chats.';
    return { code: 'noChatTemplate', message };
  }
}

const bytes = (text: string): Surface => ({ kind: 'bytes', bytes: new TextEncoder().encode(text), optional: text.startsWith('▁') ? 3 : 0 });

interface Part {
  readonly type: string;
  readonly [key: string]: unknown;
}

function partsOf(part: Part | null): Part[] {
  if (!part) return [];
  return part.type === 'Sequence' ? ((part['pretokenizers'] ?? part['decoders'] ?? []) as Part[]).flatMap(partsOf) : [part];
}

/** The leftmost, and of those that begin together the longest. */
function oneOf(words: readonly string[]): RegExp | null {
  const escaped = words.filter((word) => word !== '').sort((a, b) => b.length - a.length).map((word) => word.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'));
  return escaped.length === 0 ? null : new RegExp(escaped.join('|'), 'gu');
}

const templateNames = (templates: TokenizerConfig['chat_template']): string[] =>
  Array.isArray(templates) ? templates.map(({ name }) => name) : typeof templates === 'object' && templates ? Object.keys(templates) : [];

function named(templates: TokenizerConfig['chat_template'], name: string): string | null {
  if (typeof templates === 'string') return templates;
  if (!templates) return null;
  return (Array.isArray(templates) ? templates.find((one) => one.name === name)?.template : templates[name]) ?? null;
}

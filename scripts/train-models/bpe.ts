// Byte-level byte-pair encoding: trained on a text, applied to texts, and written as tokenizer.json.

/** Ids of the special tokens, which come first. */
export const special = { pad: 0, bos: 1, eos: 2 } as const;
export const specialTokens = ['<pad>', '<s>', '</s>'] as const;

const FIRST_BYTE = specialTokens.length;
const FIRST_MERGE = FIRST_BYTE + 256;

/** Digits stand alone, so that numbers are copied digit by digit. */
const DIGIT = String.raw`\p{N}`;
/** Words with the space before them, runs of other characters, runs of spaces: the pattern that ByteLevel has built in. */
const WORD = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;
const digit = new RegExp(`(${DIGIT})`, 'u');

/** The pieces that no token crosses. */
function wordsOf(text: string): string[] {
  return text.split(digit).flatMap((piece) => piece.match(WORD) ?? []);
}

const bytesOf = (word: string): number[] => Array.from(Buffer.from(word, 'utf8'), (byte) => FIRST_BYTE + byte);

/** Two tokens that become one; its id follows from the merge's place. */
export type Merge = readonly [left: number, right: number];

const keyOf = (left: number, right: number): number => left * 0x10000 + right;

/** A word as tokens so far, and how often the text has it. */
interface Counted {
  tokens: number[];
  readonly count: number;
}

/** Merges, the most frequent pair first, until there are `vocabulary` tokens. Equal counts: the pair of lower ids first. */
export function trainMerges(texts: Iterable<string>, vocabulary: number): readonly Merge[] {
  const counts = new Map<string, number>();
  for (const text of texts) for (const word of wordsOf(text)) counts.set(word, (counts.get(word) ?? 0) + 1);
  const words: Counted[] = [...counts].map(([word, count]) => ({ tokens: bytesOf(word), count }));
  const merges: Merge[] = [];
  while (FIRST_MERGE + merges.length < vocabulary) {
    const best = mostFrequentPair(words);
    if (!best) break;
    const id = FIRST_MERGE + merges.length;
    merges.push(best);
    for (const word of words) word.tokens = merged(word.tokens, best, id);
  }
  return merges;
}

function mostFrequentPair(words: readonly Counted[]): Merge | null {
  const counts = new Map<number, number>();
  for (const { tokens, count } of words) {
    for (let i = 1; i < tokens.length; i++) {
      const key = keyOf(tokens[i - 1] ?? 0, tokens[i] ?? 0);
      counts.set(key, (counts.get(key) ?? 0) + count);
    }
  }
  let [best, most] = [-1, 1];
  for (const [key, count] of counts) if (count > most || (count === most && key < best)) [best, most] = [key, count];
  return best < 0 ? null : [Math.floor(best / 0x10000), best % 0x10000];
}

function merged(tokens: number[], [left, right]: Merge, id: number): number[] {
  if (!tokens.some((token, i) => token === left && tokens[i + 1] === right)) return tokens;
  const result: number[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const both = tokens[i] === left && tokens[i + 1] === right;
    result.push(both ? id : (tokens[i] ?? 0));
    if (both) i++;
  }
  return result;
}

/** Encodes with given merges. */
export class BytePairEncoding {
  private readonly ranks: ReadonlyMap<number, number>;
  private readonly known = new Map<string, readonly number[]>();

  constructor(readonly merges: readonly Merge[]) {
    this.ranks = new Map(merges.map(([left, right], rank) => [keyOf(left, right), rank]));
  }

  get size(): number {
    return FIRST_MERGE + this.merges.length;
  }

  /** Token ids of a text, without special tokens. */
  encode(text: string): number[] {
    return wordsOf(text).flatMap((word) => this.word(word));
  }

  private word(word: string): readonly number[] {
    let tokens = this.known.get(word);
    if (tokens) return tokens;
    tokens = this.apply(bytesOf(word));
    if (this.known.size < 100_000) this.known.set(word, tokens);
    return tokens;
  }

  /** The earliest merge that applies, until none does. */
  private apply(tokens: number[]): readonly number[] {
    for (;;) {
      const rank = Math.min(...tokens.slice(1).map((token, i) => this.ranks.get(keyOf(tokens[i] ?? 0, token)) ?? Infinity));
      const merge = this.merges[rank];
      if (!merge) return tokens;
      tokens = merged(tokens, merge, FIRST_MERGE + rank);
    }
  }

  /** tokenizer.json as Hugging Face's tokenizers read it; every text begins with `<s>`. */
  tokenizerJson(): unknown {
    const names = this.tokenNames();
    const bos = { SpecialToken: { id: '<s>', type_id: 0 } };
    const sequence = (id: string): unknown => ({ Sequence: { id, type_id: id === 'A' ? 0 : 1 } });
    return {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: specialTokens.map((content, id) => ({ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true })),
      normalizer: null,
      pre_tokenizer: {
        type: 'Sequence',
        pretokenizers: [
          { type: 'Split', pattern: { Regex: DIGIT }, behavior: 'Isolated', invert: false },
          { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: true },
        ],
      },
      post_processor: { type: 'TemplateProcessing', single: [bos, sequence('A')], pair: [bos, sequence('A'), sequence('B')], special_tokens: { '<s>': { id: '<s>', ids: [special.bos], tokens: ['<s>'] } } },
      decoder: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: true },
      model: {
        type: 'BPE', dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: false, byte_fallback: false, ignore_merges: false,
        vocab: Object.fromEntries(names.map((name, id) => [name, id])),
        merges: this.merges.map(([left, right]) => [names[left] ?? '', names[right] ?? '']),
      },
    };
  }

  /** Tokens as tokenizer.json spells them: a printable character a byte. */
  private tokenNames(): readonly string[] {
    const names: string[] = [...specialTokens, ...byteCharacters()];
    for (const [left, right] of this.merges) names.push((names[left] ?? '') + (names[right] ?? ''));
    return names;
  }
}

/** GPT-2's spelling of bytes: printable ones are themselves, the others follow from U+0100 on. */
function byteCharacters(): readonly string[] {
  let next = 0x100;
  const printable = (byte: number): boolean => (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte !== 0xad);
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(printable(byte) ? byte : next++));
}

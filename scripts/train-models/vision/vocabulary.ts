// The tokenizer of the vision-language model: byte-level BPE of what is said about scenes, and a token for the image.
import { sampleScene } from './scenes.ts';
import { exchanges } from './texts.ts';
import { IMAGE_TOKEN } from './visionModel.ts';
import { BytePairEncoding, special, trainMerges } from '../bpe.ts';
import { Random } from '../../../src/shared/random.ts';
import type { TextTokens } from './examples.ts';

/** With the image's token, the last. */
export const VOCABULARY = 384;
const SCENES = 4000;
const SEED = 0x2000_0000;

/** Merges trained on scenes of their own. */
export function trainVocabulary(): BytePairEncoding {
  return new BytePairEncoding(trainMerges(texts(), VOCABULARY - 1));
}

function* texts(): Generator<string> {
  for (let i = 0; i < SCENES; i++) {
    const random = new Random(SEED + i);
    for (const { prompt, answer } of exchanges(sampleScene(random), random)) yield prompt + answer;
  }
}

export const imageTokenOf = (encoding: BytePairEncoding): number => encoding.size;

export const tokensOf = (encoding: BytePairEncoding): TextTokens => ({ start: special.bos, end: special.eos, pad: special.pad, encode: (text) => encoding.encode(text) });

interface TokenizerFile {
  readonly added_tokens: readonly object[];
}

/** tokenizer.json: that of the encoding, and the image's token behind all others. */
export function tokenizerJson(encoding: BytePairEncoding): unknown {
  const file = encoding.tokenizerJson() as TokenizerFile;
  const image = { id: imageTokenOf(encoding), content: IMAGE_TOKEN, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  return { ...file, added_tokens: [...file.added_tokens, image] };
}

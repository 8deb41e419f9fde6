// The JSON files of a model folder, changed in every way: each is read or refused by name, never an exception, never without end.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, beforeEach, describe, it } from 'mocha';
import { openModelFolder } from '../../src/lm/folder.ts';
import { folderTokenizer } from '../../src/lm/languageModel.ts';
import { readTokenizer } from '../../src/lm/tokenizer.ts';
import { encodeGraph } from '../../src/onnx/encode.ts';
import { Random } from '../../src/shared/random.ts';
import { smallDecoder } from '../support/decoders.ts';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const letters = [...'abcdefghijk'];
const tokenizer: Json = {
  version: '1.0',
  added_tokens: [{ id: 0, content: '<s>', single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }],
  normalizer: { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: '_' }, { type: 'Replace', pattern: { String: ' ' }, content: '_' }] },
  pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
  post_processor: { type: 'TemplateProcessing', single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }], pair: [], special_tokens: { '<s>': { id: '<s>', ids: [0], tokens: ['<s>'] } } },
  decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
  model: { type: 'BPE', dropout: null, unk_token: 'a', fuse_unk: false, byte_fallback: false, vocab: Object.fromEntries(letters.map((letter, i) => [letter, i])), merges: [['a', 'b'], ['c', 'd']] },
};
const tokenizerConfig: Json = { bos_token: '<s>', eos_token: 'k', add_bos_token: true, chat_template: '{% for m in messages %}{{ m.content }}{% endfor %}' };
const config: Json = { model_type: 'llama', num_hidden_layers: 1, num_attention_heads: 1, num_key_value_heads: 1, hidden_size: 6, head_dim: 6, vocab_size: 11, max_position_embeddings: 64, bos_token_id: 0, eos_token_id: [1, 2] };
const generation: Json = { bos_token_id: 0, eos_token_id: 10, max_length: 40 };

/** Values that a reader may trip over. */
const strange: readonly Json[] = [null, true, -1, 1e308, 0.5, 2 ** 53, '', 'x'.repeat(100_000), '\u0000\ud800', '../../etc/passwd', [], {}, [[[]]], { __proto__: null, constructor: 'x', toString: 1 }, Array.from({ length: 5000 }, (_, i) => i)];

const places = (value: Json, at: readonly (string | number)[] = []): (string | number)[][] =>
  [[...at], ...(Array.isArray(value) ? value.flatMap((item, i) => places(item, [...at, i])) : value !== null && typeof value === 'object' ? Object.entries(value).flatMap(([key, item]) => places(item, [...at, key])) : [])];

/** The value with another one at a place, or without what is there. */
function changed(value: Json, [key, ...rest]: readonly (string | number)[], change: Json | undefined): Json | undefined {
  if (key === undefined) return change;
  if (Array.isArray(value)) return value.flatMap((item, i) => (i === key ? [changed(item, rest, change)] : [item])).filter((item) => item !== undefined);
  const entries = Object.entries(value as { [key: string]: Json }).map(([name, item]) => [name, name === key ? changed(item, rest, change) : item] as const);
  return Object.fromEntries(entries.filter(([, item]) => item !== undefined)) as Json;
}

describe('JSON files of a model folder', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'gradlens-json-'));
  const { warn } = console;
  before(() => {
    // The tokenizer's library prints the patterns that it does not know, however long they are.
    console.warn = () => undefined;
  });
  after(() => {
    console.warn = warn;
    rmSync(folder, { recursive: true, force: true });
  });
  const files = { 'tokenizer.json': tokenizer, 'tokenizer_config.json': tokenizerConfig, 'config.json': config, 'generation_config.json': generation };
  const write = (name: string, content: string): void => writeFileSync(path.join(folder, name), content);
  beforeEach(() => {
    mkdirSync(path.join(folder, 'onnx'), { recursive: true });
    writeFileSync(path.join(folder, 'onnx', 'model.onnx'), encodeGraph(smallDecoder({ form: 'llama', layers: 1 })));
    for (const [name, content] of Object.entries(files)) write(name, JSON.stringify(content));
  });

  /** Reads the folder in every way there is. What was refused, by whom. */
  function read(name: string): string[] {
    const refusals: string[] = [];
    const opened = openModelFolder(folder);
    if (!opened.ok) refusals.push(`folder: ${opened.problem.message}`);
    const files = opened.ok ? folderTokenizer(opened.folder) : null;
    if (files?.ok === false) refusals.push(`tokenizer: ${files.fault.message}`);
    if (files?.ok) {
      const { ids } = files.value.encode('abc dk');
      assert.equal(typeof files.value.decode(ids), 'string');
      const chat = files.value.renderChat([{ role: 'user', content: 'ab' }]);
      if (!chat.ok) refusals.push(`chat: ${chat.fault.message}`);
    }
    for (const refusal of refusals) assert.match(refusal, /^(folder|tokenizer|chat): .{15,}/s, name);
    return refusals;
  }

  it('are read as they are', () => assert.deepEqual(read('whole'), []));

  for (const [name, content] of Object.entries(files)) {
    it(`that are ${name} with anything anywhere are read or refused`, () => {
      const random = new Random(23);
      const everywhere = places(content);
      let refused = 0;
      for (let round = 0; round < 250; round++) {
        const place = random.pick(everywhere);
        const change = random.next() < 0.25 ? undefined : random.pick(strange);
        write(name, JSON.stringify(changed(content, place, change)) ?? '');
        try {
          if (read(name).length > 0) refused++;
        } catch (error) {
          const what = JSON.stringify(change) ?? 'nothing';
          throw new Error(`${name} with ${what.slice(0, 60)} at ${place.join('.')}: ${error instanceof Error ? (error.stack ?? '') : String(error)}`, { cause: error });
        }
      }
      assert.ok(refused > 5, `only ${refused} of 250 were refused`);
    });

    it(`that are ${name} cut off or overwritten anywhere are read or refused`, () => {
      const text = Buffer.from(JSON.stringify(content));
      const random = new Random(29);
      for (let round = 0; round < 60; round++) {
        const broken = Buffer.from(text.subarray(0, round % 2 === 0 ? random.integer(0, text.length - 1) : text.length));
        if (round % 2 === 1) for (let i = 0; i < 3; i++) broken[random.integer(0, broken.length - 1)] = random.integer(0, 255);
        writeFileSync(path.join(folder, name), broken);
        const refusals = read(name);
        if (round % 2 === 0 && name !== 'generation_config.json') assert.ok(refusals.some((refusal) => refusal.includes(name)), `${name} cut off at ${broken.length}: ${refusals.join(' ')}`);
      }
    });
  }

  it('nested without measure are read or refused', () => {
    const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
    for (const [name, content] of Object.entries(files)) {
      write(name, deep);
      if (read(name).length === 0) assert.notEqual(name, 'tokenizer.json');
      write(name, JSON.stringify(content));
    }
    assert.ok(!readTokenizer({ tokenizer: JSON.parse('{"__proto__": {"model": {}}}') as unknown }).ok);
  });
});

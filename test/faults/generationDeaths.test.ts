// The process of the models is killed while a real model writes two texts side by side or scores texts, steered and not:
// nothing is lost, the death is told, and what comes out is what comes out undisturbed.
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { after, before, beforeEach, describe, it } from 'mocha';
import type { PairGeneration, PairListener, PairOptions } from '../../src/lm/generatePair.ts';
import { generatePair } from '../../src/lm/generatePair.ts';
import { openModelFolder } from '../../src/lm/folder.ts';
import { folderDecoder, folderTokenizer } from '../../src/lm/languageModel.ts';
import type { Score, ScoreItem } from '../../src/lm/score.ts';
import { scoreContinuations } from '../../src/lm/score.ts';
import type { Decoder } from '../../src/lm/session.ts';
import { openDecoder } from '../../src/lm/session.ts';
import { steerableModel } from '../../src/lm/steerableModel.ts';
import type { Tokenizer } from '../../src/lm/tokenizer.ts';
import type { StreamSource } from '../../src/lm/tokenStream.ts';
import { steeringInputs } from '../../src/lm/writableSites.ts';
import type { ModelHost } from '../../src/runtime/client.ts';
import type { HostTensor } from '../../src/runtime/protocol.ts';
import { Random } from '../../src/shared/random.ts';
import { greedy } from '../../src/shared/sampling.ts';
import { sitesOf } from '../support/decoders.ts';
import { startHost } from '../support/host.ts';

const LAYERS = ['layers.1.resid_post', 'layers.3.resid_post'];
const pause = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis));
const float32 = (dims: readonly number[], data: ArrayLike<number>): HostTensor => ({ type: 'float32', dims, data: Float32Array.from(data) });

describe('death of the model host in the middle of', () => {
  let host: ModelHost;
  let log: string[] = [];
  let tokenizer: Tokenizer;
  let plain: Decoder;
  let sources: readonly [StreamSource, StreamSource];
  let prompt: readonly number[] = [];

  before(() => {
    const read = folderTokenizer(folder());
    tokenizer = read.ok ? read.value : assert.fail(read.fault.message);
    prompt = tokenizer.encode('Task: add the numbers of a list.\n').ids;
  });
  after(() => host?.dispose());

  /** Deaths within a minute are counted: each test has a process of its own. */
  beforeEach(async () => {
    host?.dispose();
    log = [];
    host = startHost({ log: (line) => log.push(line) });
    const model = folder();
    const sites = sitesOf(model.file.graph).filter(({ name }) => LAYERS.includes(name));
    const steerable = steerableModel((edit) => folderDecoder(model, edit), sites, { reads: sites });
    const opened = [await openDecoder(host, { ...folderDecoder(model), options: { threads: 1 } }), await openDecoder(host, { ...steerable.model, options: { threads: 1 } })].map((result) => (result.ok ? result.decoder : assert.fail(result.fault.message)));
    const [bare, steered] = opened;
    assert.ok(bare && steered);
    plain = bare;
    const random = new Random(4);
    const vectors = float32([1, steerable.width], Array.from({ length: steerable.width }, () => 0.3 * random.normal()));
    const feeds = (strength: number) => {
      const whole = { [steeringInputs.strength]: float32([1], [strength]), [steeringInputs.vectors]: vectors, [steeringInputs.mask]: float32([1, 1, 1], [1]) };
      return () => whole;
    };
    sources = [{ decoder: steered, feeds: feeds(0) }, { decoder: steered, feeds: feeds(1) }];
  });

  function folder() {
    const opened = openModelFolder(fileURLToPath(new URL('../../models/tiny-code', import.meta.url)));
    return opened.ok ? opened.folder : assert.fail(opened.problem.message);
  }

  const kill = (): void => {
    if (host.pid !== undefined) process.kill(host.pid, 'SIGKILL');
  };

  const sampling = { ...greedy, temperature: 0.8, repetitionPenalty: 1.05 };
  const options: PairOptions = { sampling, maxTokens: 120, contextLength: 256, endIds: [], stop: [], cache: true, follow: 'own', drift: LAYERS };
  const pair = (listener?: PairListener, changed: Partial<PairOptions> = {}): Promise<PairGeneration> => generatePair(sources, tokenizer, prompt, { ...options, ...changed }, [new Random(1), new Random(2)], listener);

  /** The tokens and texts to the bit; distances to what another order of computation may change. */
  function assertSame(found: PairGeneration, expected: PairGeneration): void {
    for (const side of ['first', 'second'] as const) {
      assert.deepEqual(found[side].tokens.map(({ id }) => id), expected[side].tokens.map(({ id }) => id));
      assert.equal(found[side].text, expected[side].text);
      found[side].tokens.forEach(({ logProbability }, i) => assert.ok(Math.abs(logProbability - (expected[side].tokens[i]?.logProbability ?? Number.NaN)) < 1e-4));
    }
    assert.equal(found.steps.length, expected.steps.length);
    found.steps.forEach(({ divergence, sameContext, drift }, i) => {
      const other = expected.steps[i];
      assert.ok(other && sameContext === other.sameContext && Math.abs(divergence - other.divergence) < 1e-3 * Math.max(1, divergence), `step ${i}: ${divergence} and not ${other?.divergence}`);
      for (const layer of LAYERS) assert.ok(Math.abs((drift[layer]?.norm ?? Number.NaN) - (other.drift[layer]?.norm ?? Number.NaN)) < 1e-4, `step ${i}, ${layer}`);
    });
  }

  const deaths = (): number => log.filter((line) => /model host ended by signal SIGKILL/.test(line)).length;

  for (const follow of ['own', 'first'] as const) {
    it(`two texts side by side (${follow}) is not felt by either: what they kept is made again`, async () => {
      const expected = await pair({}, { follow });
      assert.notEqual(expected.first.text, follow === 'own' ? expected.second.text : '');
      let [first, second] = [0, 0];
      const killed = await pair({ first: () => void (++first === 20 && kill()), second: () => void (++second === 70 && kill()) }, { follow });
      assertSame(killed, expected);
      assert.deepEqual([first, second], [options.maxTokens, options.maxTokens], 'each token is told once');
      assert.ok(deaths() >= 1 && deaths() <= 2, log.join('\n'));
    });
  }

  it('the prompt of two texts is not felt either', async () => {
    const expected = await pair({}, { maxTokens: 5 });
    const running = pair({}, { maxTokens: 5 });
    kill();
    assertSame(await running, expected);
    assert.equal(deaths(), 1);
  });

  it('again and again ends two texts with an error that says so, and the host does not come back for ever', async () => {
    let count = 0;
    await assert.rejects(pair({ first: () => void (count++ % 10 === 0 && kill()) }), /^HostDiedError: The model host ended 4 times within a minute and is not started again\./);
    assert.ok(deaths() >= 4);
  });

  it('scoring is not felt: the same scores, and the death is told', async () => {
    const random = new Random(9);
    const tokens = (length: number): number[] => Array.from({ length }, () => random.integer(3, 400));
    const items: readonly ScoreItem[] = Array.from({ length: 64 }, (_, i) => ({ prompt: tokens(10 + (i % 7)), continuation: tokens(30 + (i % 11)) }));
    for (const padding of ['left', 'right'] as const) {
      const expected = await scoreContinuations(plain, items, { padding });
      const { pid } = host;
      const scoring: Promise<Score[]> = scoreContinuations(plain, items, { padding });
      await pause(25);
      kill();
      assert.deepEqual(await scoring, expected);
      assert.notEqual(host.pid, pid);
    }
    assert.equal(deaths(), 2);
  });
});

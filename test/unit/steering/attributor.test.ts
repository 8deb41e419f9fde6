// The attributor at work: known causes, cancelling, deaths of the host, memory, and requests that make no sense.
import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { after, before, describe, it } from 'mocha';
import type { AttributionRequest, Attributor } from '../../../src/steering/attribution.ts';
import { openAttributor } from '../../../src/steering/attribution.ts';
import { likeliestResponses } from '../../../src/steering/likeliest.ts';
import { AttributionError } from '../../../src/steering/requestProblem.ts';
import { openModelFolder } from '../../../src/lm/folder.ts';
import type { ModelHost } from '../../../src/runtime/client.ts';
import { CancellationSource, CancelledError } from '../../../src/shared/cancellation.ts';
import { sharedHost, startHost } from '../../support/host.ts';
import { READOUT, planted, plantedFolder } from '../../support/plantedModel.ts';

const tinyCode = fileURLToPath(new URL('../../../models/tiny-code', import.meta.url));

async function attributorAt(location: string, host: ModelHost = sharedHost()): Promise<Attributor> {
  const opened = openModelFolder(location);
  if (!opened.ok) assert.fail(opened.problem.message);
  const attributor = await openAttributor(opened.folder, host, { session: { provider: 'cpu', threads: 1 } });
  return attributor.ok ? attributor.attributor : assert.fail(attributor.problem.message);
}

describe('attribution on a model whose answer hangs on known tokens', () => {
  let [folder, attributor] = ['', undefined as Attributor | undefined];
  const on = (): Attributor => attributor ?? assert.fail('no attributor');
  before(async () => {
    folder = plantedFolder();
    attributor = await attributorAt(folder);
  });
  after(async () => {
    await attributor?.release();
    rmSync(folder, { recursive: true, force: true });
  });
  const prompt = [3, planted.cause, 4, planted.counter, 5];
  const asked: AttributionRequest = { prompt, preferred: [planted.yes], dispreferred: [planted.no] };

  it('is positive for what speaks for the preferred response, negative for what speaks against it, and exact', async () => {
    for (const method of ['ig', 'gradxact'] as const) {
      const { tokens, value, baselineValue, layers } = await on().attribute({ ...asked, method, layers: ['layers.0.resid_post'] });
      const each = (2 * READOUT) / prompt.length;
      tokens.forEach((found, i) => assert.ok(Math.abs(found - ([0, each, 0, -each, 0][i] ?? 0)) < 1e-5, `${method} ${i}: ${found}`));
      assert.ok(Math.abs(value) < 1e-5 && Math.abs(baselineValue) < 1e-5);
      // All of it has been moved to the last token, where the head reads it.
      layers.get('layers.0.resid_post')?.tokens.forEach((found) => assert.ok(Math.abs(found) < 1e-5));
    }
  });

  it('moves through the layers to where the answer is read', async () => {
    const one = { ...asked, prompt: [planted.cause, 3, 4, 5], layers: ['layers.0.resid_pre', 'layers.0.resid_post'] };
    const { layers, tokens } = await on().attribute(one);
    const each = (2 * READOUT) / 4;
    for (const [site, place] of [['layers.0.resid_pre', 0], ['layers.0.resid_post', 3]] as const) {
      layers.get(site)?.tokens.forEach((found, i) => assert.ok(Math.abs(found - (i === place ? each : 0)) < 1e-5, `${site} ${i}: ${found}`));
    }
    assert.ok(Math.abs((tokens[0] ?? 0) - each) < 1e-5);
  });

  it('leaves the response where it is: a cause within it gets nothing, and the prompt what it does', async () => {
    const { tokens } = await on().attribute({ ...asked, preferred: [planted.yes], dispreferred: [planted.no], prompt: [planted.cause, 3] });
    assert.ok(Math.abs((tokens[0] ?? 0) - READOUT) < 1e-5);
    const { tokens: longer, completeness } = await on().attribute({ ...asked, preferred: [planted.cause, planted.yes], dispreferred: [planted.cause, planted.no], prompt: [planted.cause, 3], refine: { tolerance: 1e-4 } });
    assert.equal(longer.length, 2);
    assert.ok(completeness.relative < 1e-3);
    assert.ok(Math.abs((longer[0] ?? 0) - (2 * READOUT) / 3) < 1e-3, 'the first token of both responses cancels, and three tokens are averaged over');
  });

  it('has the model\'s own two likeliest first tokens for responses, where none are given', async () => {
    const [first, second] = await likeliestResponses(on(), { prompt: [3, planted.cause, planted.cause], images: [] });
    assert.deepEqual(first, [planted.yes]);
    assert.notDeepEqual(second, first);
    const longer = await likeliestResponses(on(), { prompt: [3, planted.cause, planted.cause], images: [], length: 3 });
    assert.deepEqual(longer.map(([token]) => token), [first?.[0], second?.[0]]);
    assert.ok(longer.every((response) => response.length <= 3));
  });

  it('refuses what makes no sense, and says what to do', async () => {
    const refusals: readonly (readonly [Partial<AttributionRequest>, RegExp])[] = [
      [{ prompt: [] }, /prompt is empty.*at least one token/],
      [{ preferred: [] }, /preferred response is empty/],
      [{ dispreferred: [] }, /dispreferred response is empty/],
      [{ dispreferred: [planted.yes] }, /are the same.*Give two responses that differ/],
      [{ prompt: new Array<number>(17).fill(3) }, /have 18 tokens, and .* holds 16\. Shorten the prompt by 1 token/],
      [{ prompt: [3, 99] }, /has no token 99: its vocabulary ends at 11/],
      [{ steps: 0 }, /whole number from 1 to 10000, not 0/],
      [{ fixed: [0, 1, 2, 3, 4] }, /special tokens only/],
      [{ images: [{ at: 0, rows: new Float32Array(6), width: 6 }] }, /takes tokens only.*vision-language model/],
      [{ layers: ['layers.7.resid_post'] }, /no site “layers\.7\.resid_post”.*layers\.0\.resid_post/],
      [{ memoryBudget: 1 }, /expected to take [\d.]+ KiB beside the model, and 0\.0 KiB may be used\. Shorten the prompt/],
    ];
    for (const [change, message] of refusals) await assert.rejects(on().attribute({ ...asked, ...change }), (error) => error instanceof AttributionError && message.test(error.message) || assert.fail(String(error)));
    assert.equal(on().problem(asked), null);
  });
});

describe('attribution of a long prompt', () => {
  const prompt = Array.from({ length: 190 }, (_, i) => (i === 0 ? 1 : 262 + ((i * 37) % 900)));
  const asked: AttributionRequest = { prompt, preferred: [270], dispreferred: [301], fixed: [0] };

  it('stops within a chunk when it is cancelled, goes on after a death of the host, and gives the same', async () => {
    const host = startHost();
    try {
      const attributor = await attributorAt(tinyCode, host);
      const expected = await attributor.attribute({ ...asked, steps: 20 });
      const source = new CancellationSource();
      let [before, reported] = [0, 0];
      const running = attributor.attribute({ ...asked, steps: 500 }, { token: source.token, onProgress: (done, total) => {
        assert.equal(total, 502);
        assert.ok(done > before);
        before = done;
        if (++reported === 2) setTimeout(() => source.cancel(), 2);
      } });
      await assert.rejects(running, CancelledError);
      assert.ok(before < 100, `${before} points after it was cancelled`);
      const killed = attributor.attribute({ ...asked, steps: 20 }, { onProgress: (done) => {
        if (done >= 4 && host.pid !== undefined && !killing) {
          killing = true;
          process.kill(host.pid, 'SIGKILL');
        }
      } });
      let killing = false;
      assert.deepEqual((await killed).tokens, expected.tokens);
      assert.ok(killing);
    } finally {
      host.dispose();
    }
  });

  it('takes chunks that fit the memory it may use, and says beforehand how much', async () => {
    const attributor = await attributorAt(tinyCode);
    const one = await attributor.plan({ ...asked, chunk: 1 });
    const three = await attributor.plan({ ...asked, chunk: 3 });
    assert.deepEqual([one.chunk, three.chunk, one.points, one.rowsPerPoint, one.length], [1, 3, 22, 1, 190]);
    assert.ok(three.bytes > 2.5 * one.bytes && three.bytes < 3.1 * one.bytes);
    const fitted = await attributor.plan({ ...asked, chunk: 22, memoryBudget: 2.5 * one.bytes });
    assert.equal(fitted.chunk, 2);
    assert.ok(fitted.bytes <= fitted.memoryBudget);
    assert.equal((await attributor.plan({ ...asked, steps: 2000, chunk: 3 })).bytes, three.bytes, 'more steps take no more memory');
    await attributor.release();
  });

  it('takes no more memory for ten times as many steps', async () => {
    const peaks: number[] = [];
    for (const steps of [20, 200]) {
      const host = startHost();
      try {
        const attributor = await attributorAt(tinyCode, host);
        await attributor.attribute({ ...asked, steps, chunk: 2 });
        peaks.push(peakOf(host.pid));
      } finally {
        host.dispose();
      }
    }
    const [few = 0, many = 0] = peaks;
    if (Number.isNaN(few)) return;
    // What a row takes, times the rows more, would be gigabytes; what the host has not collected yet is not.
    assert.ok(many < 1.3 * few, `${few} bytes at the peak of 20 steps, ${many} of 200`);
  });
});

/** VmHWM of /proc/PID/status (proc(5)); NaN where there is none. */
function peakOf(pid: number | undefined): number {
  try {
    return 1024 * Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  } catch {
    return Number.NaN;
  }
}

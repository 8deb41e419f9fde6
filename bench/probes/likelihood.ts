// What the model itself finds of a statement: how unlikely its tokens are after the context.
import type { OpenModel } from './bench.ts';
import { folderDecoder } from '../../src/lm/languageModel.ts';
import { scoreContinuations } from '../../src/lm/score.ts';
import { openDecoder } from '../../src/lm/session.ts';
import type { ProbeExample } from '../../src/probes/dataset.ts';
import type { Frame } from '../../src/probes/statements.ts';
import { fittingContext } from '../../src/probes/statements.ts';

/** Of each example, the mean, the sum and the largest −log p of its tokens, nats. */
export async function likelihoods({ host, folder, tokenizer }: OpenModel, examples: readonly ProbeExample[], frame: Frame): Promise<readonly (readonly number[])[]> {
  const opened = await openDecoder(host, { ...folderDecoder(folder), options: { provider: 'cpu', threads: 1 } });
  if (!opened.ok) throw new Error(opened.fault.message);
  const items = examples.map(({ context, continuation }) => {
    const { text: { ids, contextTokens } } = fittingContext(tokenizer, frame, context, continuation, folder.sizes.context ?? Infinity);
    return { prompt: ids.slice(0, contextTokens), continuation: ids.slice(contextTokens) };
  });
  const scores = await scoreContinuations(opened.decoder, items, { batchSize: 16 });
  await opened.decoder.release();
  return scores.map(({ logProbability, perToken }) => [-logProbability / perToken.length, -logProbability, Math.max(...perToken.map((value) => -value))]);
}

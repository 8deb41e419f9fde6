// Which execution provider runs one language model: the first that agrees with CPU on a short prompt and is faster.
import type { Decoder, DecoderModel, FloatTensor } from './session.ts';
import { LanguageModelError, openDecoder } from './session.ts';
import { HostDiedError, RuntimeError } from '../runtime/client.ts';
import { AGREEMENT, reasonOf, relativeDifference } from '../runtime/providers.ts';
import type { Provider } from '../runtime/protocol.ts';

export interface ChosenDecoder {
  readonly decoder: Decoder;
  readonly provider: Provider;
  /** Why each other provider was passed over, a line each. */
  readonly passedOver: readonly string[];
}

/** What a decoder gives on the check's prompt, and how long a token takes. */
interface Trial {
  readonly outputs: Readonly<Record<string, FloatTensor>>;
  readonly millis: number;
}

const PROMPT = [1, 2, 3, 5, 4, 6];
const TIMED_TOKENS = 5;

/**
 * Holds each candidate against the decoder that is open on CPU, which is released where another takes its place. A
 * candidate that refuses the model, ends its process or disagrees (relative L2 from 1e-3 up) is passed over.
 * @param candidates providers in the order of preference, as `candidates` of the machine's self-check gives them
 * @throws RuntimeError, HostDiedError where the model does not run on CPU
 */
export async function chooseDecoder(onCpu: Decoder, model: DecoderModel, candidates: readonly Provider[]): Promise<ChosenDecoder> {
  if (candidates.length === 0) return { decoder: onCpu, provider: 'cpu', passedOver: [] };
  const truth = await tried(onCpu).catch((error: unknown) => {
    // A model that wants inputs of its own cannot be compared here.
    if (error instanceof LanguageModelError) return null;
    throw error;
  });
  const passedOver: string[] = [];
  for (const provider of truth ? candidates : []) {
    const found = await candidate(onCpu, model, provider, truth);
    if (typeof found === 'string') passedOver.push(`${provider} is passed over for this model: ${found}`);
    else {
      await onCpu.release();
      return { decoder: found, provider, passedOver };
    }
  }
  return { decoder: onCpu, provider: 'cpu', passedOver };
}

/** The decoder on that provider, or why it is not to be used. */
async function candidate({ host }: Decoder, model: DecoderModel, provider: Provider, truth: Trial | null): Promise<Decoder | string> {
  let decoder: Decoder | null = null;
  try {
    const opened = await openDecoder(host, { ...model, options: { ...model.options, provider } });
    if (!opened.ok) return opened.fault.message;
    ({ decoder } = opened);
    const refusal = truth ? compared(await tried(decoder), truth) : null;
    if (refusal === null) return decoder;
    await decoder.release();
    return refusal;
  } catch (error) {
    if (!(error instanceof RuntimeError) && !(error instanceof HostDiedError)) throw error;
    await decoder?.release().catch(() => undefined);
    return reasonOf(error.message);
  }
}

function compared(found: Trial, truth: Trial): string | null {
  const difference = relativeDifference(found.outputs, truth.outputs);
  if (!(difference < AGREEMENT)) return `it disagrees with CPU by ${difference.toExponential(1)} on a short prompt; the limit is ${AGREEMENT}`;
  return found.millis < truth.millis ? null : `it takes ${found.millis.toFixed(1)} ms a token, CPU ${truth.millis.toFixed(1)} ms`;
}

/** Runs a prompt and one token after it, that one several times for its median time. One attempt: a process that dies says enough. */
async function tried(decoder: Decoder): Promise<Trial> {
  const known = decoder.vocabularySize ?? Infinity;
  const ids = PROMPT.map((id) => Math.min(id, known - 1));
  const [first, second] = [decoder.host.newCache(), decoder.host.newCache()];
  const prompt = await decoder.run({ ids: [ids], past: 0, positions: [0], ...(decoder.hasCache ? { cache: { from: null, to: first } } : {}) });
  const next = decoder.hasCache
    ? { ids: [[ids[0] ?? 0]], past: ids.length, cache: { from: first, to: second }, positions: [-1] as const }
    : { ids: [[...ids, ids[0] ?? 0]], past: 0, positions: [-1] as const };
  let token = (await decoder.run(next)).logits;
  const times: number[] = [];
  for (let i = 0; i < TIMED_TOKENS; i++) {
    const started = performance.now();
    token = (await decoder.run(next)).logits;
    times.push(performance.now() - started);
  }
  await decoder.host.forgetCaches([first, second]);
  return { outputs: { prompt: prompt.logits, token }, millis: times.sort((a, b) => a - b)[TIMED_TOKENS >> 1] ?? Number.NaN };
}

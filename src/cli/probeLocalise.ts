// gradlens probe localise: which components, neurons and tokens of the context the score of a sentence comes from.
import { wholeNumber } from './optionValues.ts';
import type { Outcome } from './outcome.ts';
import type { ProbeWork } from './probe.ts';
import { probeOf, textFile } from './probe.ts';
import { documentScores } from './probeScore.ts';
import { tableLines } from './table.ts';
import { percent } from './terminal.ts';
import { UsageError } from './usage.ts';
import type { Localisation, Localiser } from '../probes/localise.ts';
import { openLocaliser } from '../probes/localise.ts';
import type { Probe } from '../probes/probe.ts';
import type { ReadText } from '../probes/statements.ts';
import { readText } from '../probes/statements.ts';
import { sentencesOf } from '../probes/sentences.ts';
import { Random } from '../shared/random.ts';

const DRAWS = 10;

/** @throws UsageError, RuntimeError, CancelledError */
export async function probeLocalise(work: ProbeWork): Promise<Outcome> {
  const { args, folder, tokenizer, host, session, environment } = work;
  const probe = probeOf(args, folder);
  const [context, text] = [textFile(args, 'context', 'context'), textFile(args, 'text', 'text')];
  const top = wholeNumber(args.values, 'top', 10, 1, 1000);
  const sentences = sentencesOf(text);
  const chosen = await chosenSentence(work, probe, context, text, sentences.length);
  const range = sentences[chosen];
  if (!range) throw new UsageError('The text has no sentence.');
  const read = readText(tokenizer, probe.frame, context, text, sentences.slice(0, chosen + 1));
  const { sizes: { context: limit } } = folder;
  if (limit !== null && read.ids.length > limit) throw new UsageError(`Context and text up to this sentence have ${read.ids.length} tokens, and ${folder.name} reads ${limit} at once. Give less context, or fewer sentences before it.`);
  const opened = await openLocaliser(host, folder, probe, session);
  if (!opened.ok) throw new UsageError(opened.problem.message);
  const { localiser } = opened;
  try {
    const found = await localiser.localise(read.ids, environment.token);
    const removal = await removed(localiser, read.ids, found, work);
    return outcome({ sentence: text.slice(range.start, range.end), whole: `${probe.frame.before}${context}${probe.frame.between}${text}`, read, found, removal, top });
  } finally {
    await localiser.release();
  }
}

/** From 0. */
async function chosenSentence(work: ProbeWork, probe: Probe, context: string, text: string, count: number): Promise<number> {
  if (count === 0) throw new UsageError('The text has no sentence.');
  if (work.args.values['sentence'] !== undefined) return wholeNumber(work.args.values, 'sentence', 1, 1, count) - 1;
  const { sentences } = await documentScores(work, probe, context, text);
  return sentences.reduce((best, { score }, i) => ((score ?? -Infinity) > (sentences[best]?.score ?? -Infinity) ? i : best), 0);
}

interface Removal {
  readonly neurons: number;
  readonly withoutTop: number;
  /** Without as many others, drawn at random: the mean over the draws. */
  readonly withoutOthers: number;
}

async function removed(localiser: Localiser, ids: readonly number[], { neurons }: Localisation, { args, environment: { token } }: ProbeWork): Promise<Removal> {
  const count = Math.max(1, Math.round(neurons.length / 100));
  const random = new Random(wholeNumber(args.values, 'seed', 1, 0, 2 ** 32 - 1));
  let others = 0;
  for (let draw = 0; draw < DRAWS; draw++) others += (await localiser.scoreWithout(ids, random.shuffle(neurons.slice(count)).slice(0, count), token)) / DRAWS;
  return { neurons: count, withoutTop: await localiser.scoreWithout(ids, neurons.slice(0, count), token), withoutOthers: others };
}

interface Localised {
  readonly sentence: string;
  /** The text that the tokens are of. */
  readonly whole: string;
  readonly read: ReadText;
  readonly found: Localisation;
  readonly removal: Removal;
  readonly top: number;
}

function outcome({ sentence, whole, read, found, removal, top }: Localised): Outcome {
  const { score, components, neurons, topPercentShare } = found;
  const tokens = read.ids.map((id, i) => ({ position: i, id, text: whole.slice(read.ranges[i]?.start ?? 0, read.ranges[i]?.end ?? 0), attribution: found.tokens[i] ?? 0 }));
  const evidence = tokens.slice(read.contextAt.start, read.contextAt.end).sort((a, b) => Math.abs(b.attribution) - Math.abs(a.attribution));
  const signed = (value: number): string => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(3)}`;
  const byMagnitude = [...components].sort((a, b) => Math.abs(b.attribution) - Math.abs(a.attribution));
  return {
    exitCode: 0,
    json: { sentence, score, components, neurons: neurons.slice(0, top), tokens, topPercentShare, removal },
    lines: [
      `${sentence.replaceAll(/\s+/g, ' ')}`, `log odds ${score.toFixed(3)} that the context does not support it; gradient × activation:`, '',
      ...tableLines([['component', 'part of the score'], ...byMagnitude.slice(0, top).map(({ site, attribution }) => [site, signed(attribution)])]), '',
      ...tableLines([['neuron', 'part of the score'], ...neurons.slice(0, top).map(({ layer, index, attribution }) => [`layers.${layer}.mlp_act[${index}]`, signed(attribution)])]), '',
      ...tableLines([['token of the context', 'part of the score'], ...evidence.slice(0, top).map(({ text, attribution }) => [JSON.stringify(text), signed(attribution)])]), '',
      `The top 1 % of the neurons (${removal.neurons} of ${neurons.length}) carry ${percent(topPercentShare)} of all that neurons carry. Without them the log odds are ${removal.withoutTop.toFixed(3)}; without as many others, ${removal.withoutOthers.toFixed(3)} (mean of ${DRAWS} draws).`,
    ],
  };
}

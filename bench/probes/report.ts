// What the probes and their baselines came to, as data and as tables.
import type { Settings } from './bench.ts';
import type { Machine } from '../machine.ts';
import { machineText } from '../machine.ts';
import type { Comparison } from '../../src/probes/comparison.ts';
import type { Chosen } from '../../src/probes/crossValidation.ts';
import type { Figures } from '../../src/probes/evaluation.ts';
import type { Estimate } from '../../src/probes/metrics.ts';
import type { TransferCell } from '../../src/probes/transfer.ts';

export interface SubsetFigures {
  readonly name: string;
  readonly examples: number;
  /** AUROC. */
  readonly probe: Estimate;
  readonly baselines: readonly { readonly name: string; readonly auroc: Estimate }[];
}

export interface ComparedParts extends Comparison {
  readonly subsets: readonly SubsetFigures[];
}

export interface TwinPart {
  readonly model: string;
  readonly pairs: number;
  /** AUROC of the same procedure for “is it of a story?”. */
  readonly control: Estimate;
  readonly comparison: ComparedParts;
}

export interface TransferPart {
  readonly cells: readonly TransferCell[];
}

export interface HaluEvalPart {
  readonly examples: number;
  /** AUROC of the answer's length in characters. */
  readonly length: { readonly all: Estimate; readonly matched: Estimate };
  readonly results: readonly { readonly model: string; readonly cut: number; readonly all: ComparedParts; readonly matched: ComparedParts }[];
}

export interface CostRow {
  readonly name: string;
  readonly tokens: number;
  readonly all: number;
  readonly medianMillis: number;
  readonly range: readonly [number, number];
}

export interface CostPart {
  readonly rows: readonly CostRow[];
}

type Timed<T> = T & { readonly minutes: number };

export interface Report {
  readonly machine: Machine;
  readonly settings: Settings;
  twins?: Timed<TwinPart>;
  transfer?: Timed<TransferPart>;
  haluEval?: Timed<HaluEvalPart>;
  cost?: Timed<CostPart>;
}

const number = (value: number): string => (Number.isNaN(value) ? 'n/a' : value.toFixed(3));
const estimate = ({ value, interval: [low, high] }: Estimate): string => `${number(value)} [${number(low)}, ${number(high)}]`;
const signed = ({ value, interval: [low, high] }: Estimate): string => [value, low, high].map((one) => `${one >= 0 ? '+' : '−'}${number(Math.abs(one))}`).join(' ').replace(/^(\S+) (\S+) (\S+)$/, '$1 [$2, $3]');

function table(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(header), line(header.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line), ''];
}

const figureCells = ({ auroc, f1, accuracy, ece }: Figures): string[] => [auroc, f1, accuracy, ece].map(estimate);

function chosenText(chosen: readonly Chosen[]): string {
  const counts = new Map<string, number>();
  for (const { source, l2 } of chosen) counts.set(`${source}, λ ${l2}`, (counts.get(`${source}, λ ${l2}`) ?? 0) + 1);
  return [...counts].map(([choice, count]) => `${choice} (${count} of ${chosen.length} folds)`).join('; ');
}

function comparisonText({ examples, groups, probe, layers, baselines, subsets }: ComparedParts): string[] {
  return [
    `${examples.toLocaleString('en')} statements, ${groups.toLocaleString('en')} contexts. Chosen by the inner folds: ${chosenText(probe.chosen)}.`,
    '',
    ...table(['what', 'AUROC', 'F1', 'accuracy', 'ECE', 'AUROC of the probe less this'], [
      ['**probe**, layer and λ by inner folds', ...figureCells(probe.figures), ''],
      ...layers.map(({ name, figures }) => [`${name}`, ...figureCells(figures), '']),
      ...baselines.map(({ name, figures, gain }) => [`baseline: ${name}`, ...figureCells(figures), signed(gain)]),
    ]),
    ...(subsets.length === 0 ? [] : [
      'AUROC within parts of them, scores of the same folds:',
      '',
      ...table(['part', 'statements', 'probe', ...(subsets[0]?.baselines.map(({ name }) => name) ?? [])], subsets.map((part) => [part.name, String(part.examples), estimate(part.probe), ...part.baselines.map(({ auroc }) => estimate(auroc))])),
    ]),
  ];
}

function twinsText({ model, pairs, control, comparison, minutes }: Timed<TwinPart>): string[] {
  return [
    '## Twin pairs',
    '',
    `${pairs.toLocaleString('en')} pairs of \`bench/probes/contradictions\` (stories, code documentation, data sheets, change logs; half of the false values exchanged with another of the context, half invented), names and numbers held out of the model's training text; read by ${model} as \`Context: …\\nSummary: …\`, residual stream at the full stop. Below, the subset of matched length (pairs of either label within 10 % in length). ${minutes.toFixed(1)} minutes by the clock, other work beside it.`,
    '',
    `Control, the same procedure for another question (is the statement of a story?): AUROC ${estimate(control)}. Where the probe is at chance and the control is not, the states hold no linear trace of the contradiction: the model's card says that it never learned to call statements true or false.`,
    '',
    ...comparisonText(comparison),
  ];
}

function transferText({ cells, minutes }: Timed<TransferPart>): string[] {
  const domains = [...new Set(cells.map(({ test }) => test))];
  const cell = (train: string, test: string): TransferCell | undefined => cells.find((one) => one.train === train && one.test === test);
  const rows = (of: (cell: TransferCell) => Estimate): string[][] => domains.map((train) => [`${train} (${cell(train, train)?.site ?? ''})`, ...domains.map((test) => {
    const found = cell(train, test);
    return found ? estimate(of(found)) : '';
  })]);
  return [
    '## Transfer between domains',
    '',
    `Rows: trained on (site chosen by folds of that domain; on the diagonal on the other half of it alone). Columns: tested on, half of the domain's contexts, the same in each row. The model's training text has stories, documentation and data sheets, and no change logs. ${minutes.toFixed(1)} minutes by the clock, other work beside it.`,
    '',
    'AUROC:', '', ...table(['trained on', ...domains], rows(({ figures }) => figures.auroc)),
    'Accuracy at probability 1/2:', '', ...table(['trained on', ...domains], rows(({ figures }) => figures.accuracy)),
    'Accuracy after recentring on the supported statements of the other half of the tested domain (which leaves the AUROC as it is: a shift of all scores by one number):', '', ...table(['trained on', ...domains], rows(({ adapted }) => adapted.accuracy)),
  ];
}

function haluEvalText({ examples, length, results, minutes }: Timed<HaluEvalPart>): string[] {
  return [
    '## HaluEval QA',
    '',
    `${examples.toLocaleString('en')} answers of the one-turn and multi-turn files. **The length of the answer alone has AUROC ${estimate(length.all)}**, so figures on all answers say little; on the subset of matched length it has ${estimate(length.matched)} (matched in characters: the words of either label still differ in number, which the baseline “length only” sees as well). The models here are far too small to understand the questions: this part shows the procedure, not the worth of probes. Answers without a final mark are given a full stop, since its absence would tell the right ones. ${minutes.toFixed(1)} minutes by the clock, other work beside it.`,
    '',
    ...results.flatMap(({ model, cut, matched }) => [`### ${model}, matched length (the headline)`, '', `${cut.toLocaleString('en')} contexts lost their beginning to fit into the model's window.`, '', ...comparisonText(matched)]),
    ...results.flatMap(({ model, all }) => [`### ${model}, all answers`, '', ...comparisonText(all)]),
  ];
}

function costText({ rows }: Timed<CostPart>): string[] {
  return [
    '## Cost of scoring a document again',
    '',
    'tiny-code, a context and six sentences, median of 15 rounds, with the tokenizer and the message to the model\'s process.',
    '',
    ...table(['what', 'tokens run', 'tokens of context and document', 'ms', 'range'], rows.map(({ name, tokens, all, medianMillis, range }) => [name, String(tokens), String(all), medianMillis.toFixed(2), range.map((millis) => millis.toFixed(2)).join(' – ')])),
  ];
}

export function markdown({ machine, settings, twins, transfer, haluEval, cost }: Report): string {
  return [
    '# Linear probes against the surface of the text',
    '',
    `\`npm run bench -- probes\`, seed ${settings.seed}. Logistic regression with L2 on standardised features, five outer folds grouped by context, layer and strength chosen by three inner folds. Figures with 95 % bootstrap intervals over contexts (${settings.resamples.toLocaleString('en')} resamples). Class 1: the statement is not supported. The models are the project's and other tiny ones: the figures say nothing about large models.`,
    machineText(machine),
    '',
    ...(twins ? twinsText(twins) : []),
    ...(transfer ? transferText(transfer) : []),
    ...(haluEval ? haluEvalText(haluEval) : []),
    ...(cost ? costText(cost) : []),
  ].join('\n');
}

// gradlens probe train: from labelled statements to a probe, with its figures beside those of surface baselines.
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { choice, wholeNumber } from './optionValues.ts';
import type { Outcome } from './outcome.ts';
import type { ProbeWork } from './probe.ts';
import { ProgressLine } from './progressLine.ts';
import { tableLines } from './table.ts';
import { UsageError } from './usage.ts';
import type { BaselineFigures, Comparison } from '../probes/comparison.ts';
import type { ProbeExample, RowProblem } from '../probes/dataset.ts';
import { readExamples, readHaluEval, readRagTruth } from '../probes/dataset.ts';
import type { Figures } from '../probes/evaluation.ts';
import type { Estimate } from '../probes/metrics.ts';
import { writeProbe } from '../probes/probeFile.ts';
import { probeSites } from '../probes/residualReader.ts';
import { sentencesOf } from '../probes/sentences.ts';
import { plainFrame } from '../probes/statements.ts';
import type { TrainedProbe } from '../probes/train.ts';
import { trainProbe } from '../probes/train.ts';
import { readLayers } from '../steering/layerRange.ts';

const MAX_DATA_BYTES = 400 * 2 ** 20;
const SHOWN_PROBLEMS = 5;

/** @throws UsageError, RuntimeError, CancelledError */
export async function probeTrain(work: ProbeWork): Promise<Outcome> {
  const { args: { values }, environment, folder } = work;
  const { data, out } = values;
  if (data === undefined) throw new UsageError('Which examples? Give a file of JSON lines {"context": "…", "continuation": "…", "label": 0 or 1}: --data FILE.jsonl.');
  if (out === undefined) throw new UsageError('Where to? Give the name of the probe: -o NAME (NAME.probe.json and NAME.probe.safetensors are written).');
  const sites = sitesOf(work);
  const read = dataOf(data);
  for (const line of problemLines(data, read.problems)) environment.terminal.err(`${line}\n`);
  if (read.examples.length === 0) throw new UsageError(`“${data}” holds no examples that can be used.`);
  const progress = new ProgressLine(environment.terminal, environment.now);
  const trained = await trainProbe(work, read.examples, {
    name: path.basename(data), sites, seed: wholeNumber(values, 'seed', 1, 0, 2 ** 32 - 1), session: work.session, token: environment.token,
    frame: { before: unescaped(values['before'] ?? plainFrame.before), between: unescaped(values['between'] ?? plainFrame.between) },
    onProgress: (stage, done, all) => progress.show(stage === 'reading' ? `reads statement ${done} of ${all}` : `cross-validates, fold ${done} of ${all}`),
  }).finally(() => progress.end());
  if (!trained.ok) throw new UsageError(trained.message);
  const file = written(out, trained.trained);
  return outcome(file, trained.trained, read.problems, folder.name);
}

/** \n and \t as they are typed in a shell. */
const unescaped = (text: string): string => text.replaceAll('\\n', '\n').replaceAll('\\t', '\t');

function sitesOf({ args: { values }, folder }: ProbeWork): readonly string[] {
  const kind = choice(values, 'site', ['resid_post', 'resid_mid'] as const, 'resid_post');
  const sites = probeSites(folder, kind);
  if (sites.length === 0) throw new UsageError(`${folder.name} has no site ${kind}. “gradlens models sites ${folder.path}” lists what it has.`);
  if (values['layers'] === undefined) return sites.map(({ name }) => name);
  const layers = readLayers(values['layers'], sites.length);
  if (!layers.ok) throw new UsageError(layers.message);
  return sites.filter(({ layer }) => layer !== null && layers.layers.includes(layer)).map(({ name }) => name);
}

interface Data {
  readonly examples: readonly ProbeExample[];
  readonly problems: readonly RowProblem[];
}

/** A folder is RAGTruth's; a file whose first row has a right_answer is HaluEval's. */
function dataOf(location: string): Data {
  if (statSync(location, { throwIfNoEntry: false })?.isDirectory()) {
    const [responses, sources] = ['response.jsonl', 'source_info.jsonl'].map((name) => contentOf(path.join(location, name)));
    const { examples, problems, sourceProblems } = readRagTruth(responses ?? '', sources ?? '', sentencesOf);
    return { examples, problems: [...problems, ...sourceProblems.map(({ line, message }) => ({ line, message: `of source_info.jsonl: ${message}` }))] };
  }
  const content = contentOf(location);
  return /^\s*\{[^\n]*"right_answer"/.test(content) ? readHaluEval(content) : readExamples(content);
}

function contentOf(file: string): string {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (!stat?.isFile()) throw new UsageError(`There is no file “${file}”. Give JSON lines of examples, or a folder with response.jsonl and source_info.jsonl.`);
  if (stat.size > MAX_DATA_BYTES) throw new UsageError(`“${file}” is larger than ${MAX_DATA_BYTES / 2 ** 20} MiB, too large for a file of examples.`);
  return readFileSync(file, 'utf8');
}

function problemLines(file: string, problems: readonly RowProblem[]): readonly string[] {
  const shown = problems.slice(0, SHOWN_PROBLEMS).map(({ line, message }) => `${file}, line ${line} is left out: ${message}`);
  return [...shown, ...(problems.length > SHOWN_PROBLEMS ? [`… and ${problems.length - SHOWN_PROBLEMS} more lines.`] : [])];
}

function written(out: string, { probe }: TrainedProbe): string {
  try {
    return writeProbe(probe, out);
  } catch (error) {
    throw new UsageError(`“${out}” cannot be written: ${error instanceof Error ? error.message : String(error)}.`);
  }
}

const estimate = ({ value, interval: [low, high] }: Estimate): string => `${value.toFixed(3)} [${low.toFixed(3)}, ${high.toFixed(3)}]`;
const cells = ({ auroc, f1, accuracy, ece }: Figures): string[] => [auroc, f1, accuracy, ece].map(estimate);

function comparisonLines(title: string, { examples, groups, probe, layers, baselines }: Comparison): readonly string[] {
  const baseline = ({ name, figures }: BaselineFigures): string[] => [`baseline: ${name}`, ...cells(figures)];
  return [
    `${title}: ${examples} statements, ${groups} contexts (95 % intervals over contexts)`,
    ...tableLines([['', 'AUROC', 'F1', 'accuracy', 'ECE'], ['probe', ...cells(probe.figures)], ...layers.map(({ name, figures }) => [`  ${name}`, ...cells(figures)]), ...baselines.map(baseline)]),
    '',
  ];
}

function outcome(file: string, { probe, all, matched, warnings }: TrainedProbe, problems: readonly RowProblem[], model: string): Outcome {
  return {
    exitCode: 0,
    json: { probe: file, model: probe.model, site: probe.site, l2: probe.l2, examples: probe.data.items, leftOut: problems, all, matchedLength: matched, warnings },
    lines: [
      ...comparisonLines('All', all),
      ...(matched === all ? ['All of them are of matched length.', ''] : matched ? comparisonLines('Of matched length', matched) : []),
      `${file}: a probe of ${model} at ${probe.site}, λ ${probe.l2}, from ${probe.data.items} statements`,
      ...warnings,
    ],
  };
}

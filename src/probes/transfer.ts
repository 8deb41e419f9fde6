// From one set of statements to another: probes trained on one and tested on others, with and without adaptation.
import type { FittedProbe } from './crossValidation.ts';
import { chooseStrength, fitted, groupedFolds } from './crossValidation.ts';
import type { FeatureMatrix } from './features.ts';
import { meanOf, rowsOf } from './features.ts';
import type { Figures } from './evaluation.ts';
import { figuresOf } from './evaluation.ts';
import { probeScores } from './probe.ts';
import type { CancellationToken } from '../shared/cancellation.ts';
import type { Random } from '../shared/random.ts';

/** The same sites of several sets of statements. */
export interface TransferSet {
  readonly name: string;
  /** By site. */
  readonly features: ReadonlyMap<string, FeatureMatrix>;
  readonly labels: readonly number[];
  readonly groups: readonly string[];
}

export interface TransferCell {
  readonly train: string;
  readonly test: string;
  readonly site: string;
  readonly figures: Figures;
  /** Recentred on the supported statements of half of the tested set's contexts; as `figures`, measured on the other half. */
  readonly adapted: Figures;
}

export interface TransferOptions {
  readonly random: Random;
  readonly l2s?: readonly number[];
  readonly token?: CancellationToken;
}

/**
 * Each set's probe, its site and strength chosen by folds of that set, on every set's test half. All cells of a column are
 * measured on the same examples. On the diagonal the probe is trained on the other half alone; elsewhere on the whole set.
 * @throws RangeError where a set or its half has one label only, CancelledError
 */
export async function transferMatrix(sets: readonly TransferSet[], options: TransferOptions): Promise<readonly TransferCell[]> {
  const halves = sets.map(({ groups }) => groupedFolds(groups, 2, options.random));
  const cells: TransferCell[] = [];
  for (const source of sets) {
    const everywhere = source.labels.map((_, i) => i);
    const whole = await trained(source, everywhere, options);
    const half = halves[sets.indexOf(source)] ?? [];
    const own = await trained(source, everywhere.filter((i) => half[i] === 0), options);
    for (const [at, target] of sets.entries()) {
      const [known, tested] = [0, 1].map((side) => target.labels.flatMap((_, i) => (halves[at]?.[i] === side ? [i] : [])));
      cells.push(cellOf(target === source ? own : whole, source, target, known ?? [], tested ?? [], options.random));
    }
  }
  return cells;
}

interface Trained {
  readonly site: string;
  readonly probe: FittedProbe;
  /** The mean of the supported statements that it was trained on. */
  readonly supported: Float64Array;
}

async function trained({ features, labels, groups }: TransferSet, rows: readonly number[], options: TransferOptions): Promise<Trained> {
  const known = rows.map((i) => labels[i] ?? 0);
  const folds = groupedFolds(rows.map((i) => groups[i] ?? ''), 3, options.random);
  const choices = [];
  for (const [site, matrix] of features) choices.push(await chooseStrength(site, rowsOf(matrix, rows), known, folds, options));
  const [first, ...others] = choices;
  if (!first) throw new RangeError('a set without features');
  const { source: site, l2 } = others.reduce((best, choice) => (choice.auroc > best.auroc ? choice : best), first);
  const matrix = features.get(site);
  if (!matrix) throw new RangeError(`no features of ${site}`);
  return { site, probe: fitted(rowsOf(matrix, rows), known, l2), supported: meanOf(rowsOf(matrix, rows.filter((i) => labels[i] === 0))) };
}

function cellOf({ site, probe, supported }: Trained, source: TransferSet, target: TransferSet, known: readonly number[], tested: readonly number[], random: Random): TransferCell {
  const matrix = target.features.get(site);
  if (!matrix) throw new RangeError(`${target.name} has no features of ${site}`);
  const rows = rowsOf(matrix, tested);
  const [labels, groups] = [tested.map((i) => target.labels[i] ?? 0), tested.map((i) => target.groups[i] ?? '')];
  const figures = (of: FittedProbe): Figures => figuresOf(probeScores(of, rows), labels, groups, random);
  const examples = rowsOf(matrix, known.filter((i) => target.labels[i] === 0));
  return { train: source.name, test: target.name, site, figures: figures(probe), adapted: figures(recentred(probe, supported, examples)) };
}

/**
 * The probe moved to another domain without labels of unsupported statements: its mean is shifted by what lies between the
 * supported statements that it was trained on and those of the new domain.
 * @param supported the mean of the former
 * @param examples hidden states of supported statements of the new domain
 */
export function recentred<P extends FittedProbe>(probe: P, supported: Float64Array, examples: FeatureMatrix): P {
  const there = meanOf(examples);
  const mean = probe.standardisation.mean.map((value, k) => value + (there[k] ?? 0) - (supported[k] ?? 0));
  return { ...probe, standardisation: { ...probe.standardisation, mean } };
}

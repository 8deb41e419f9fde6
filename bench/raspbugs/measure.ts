// One repair of one bug, measured: what it found, how good that is on inputs it never saw, what it cost.
import { createHash } from 'node:crypto';
import type { Bug } from './generate.ts';
import { programOfText } from './generate.ts';
import type { BaseProgram } from './programs.ts';
import { basePrograms, sourceOf } from './programs.ts';
import { repair } from '../../src/repair/repair.ts';
import type { Example, RepairMethod, RepairResult, Suspect } from '../../src/repair/types.ts';
import { isExact } from '../../src/repair/verify.ts';
import type { Span } from '../../src/rasp/diagnostic.ts';
import type { Program } from '../../src/rasp/program.ts';
import { nodesBelow } from '../../src/rasp/program.ts';
import type { ModelHost } from '../../src/runtime/client.ts';
import { Random } from '../../src/shared/random.ts';

export interface Settings {
  readonly seed: number;
  readonly budgetMillis: number;
  /** Distinct examples that the repair is given. */
  readonly examples: number;
  /** Inputs that no example has, on which the result is judged. */
  readonly fresh: number;
}

export interface Job {
  readonly bug: Bug;
  readonly method: RepairMethod;
  readonly settings: Settings;
}

export interface Measurement {
  readonly id: string;
  readonly program: string;
  readonly dialect: string;
  readonly order: number;
  readonly mutations: readonly string[];
  readonly method: RepairMethod;
  readonly status: RepairResult['status'] | 'refused';
  readonly foundBy: RepairResult['method'];
  /** A patch that passes every example was found. */
  readonly patched: boolean;
  /** Share of fresh inputs that the result gets exactly right; the buggy program's share where there is no patch. */
  readonly fresh: number;
  /** Mean of the shares among balanced and among other inputs; null but for the bracket programs. */
  readonly balanced: number | null;
  /** The patch gives the correct program's text back. */
  readonly sameText: boolean;
  /** Is the op that was mutated among the first three suspects? Null but for order 1 and where nothing was localised. */
  readonly located: boolean | null;
  readonly evaluations: number;
  readonly millis: number;
  readonly summary: string;
}

export async function measure({ bug, method, settings }: Job, host: ModelHost): Promise<Measurement> {
  const base = basePrograms.find(({ name }) => name === bug.program);
  if (!base) throw new RangeError(`no base program ${bug.program}`);
  // Examples of its own for each bug: one unlucky draw must not decide over all of them.
  const seed = settings.seed + bugSeed(bug);
  const examples = distinctExamples(base, new Random(seed), settings.examples);
  const request = { source: { path: bug.path, text: bug.source }, dialect: bug.dialect, examples, method, budgetMillis: settings.budgetMillis, seed };
  const result = await repair(request, { host });
  const { id, program, dialect, order, mutations } = bug;
  const common = { id, program, dialect, order, mutations, method };
  if (result.status === 'refused') {
    const summary = result.diagnostics[0]?.message ?? '';
    return { ...common, status: 'refused', foundBy: null, patched: false, fresh: bug.exact, balanced: null, sameText: false, located: null, evaluations: 0, millis: 0, summary };
  }
  const text = result.patch?.source ?? bug.source;
  return {
    ...common,
    status: result.status,
    foundBy: result.method,
    patched: result.patch !== null,
    ...judge(programOfText(bug.path, text, bug.dialect, examples[0]?.input as string[]), base, examples, { ...settings, seed }),
    sameText: text === sourceOf(bug.program, bug.dialect),
    located: located(bug, result.suspects),
    evaluations: result.evaluations,
    millis: result.millis,
    summary: result.patch?.summary ?? '',
  };
}

/** A number that the bug's text decides. */
const bugSeed = ({ source }: Bug): number => createHash('sha256').update(source).digest().readUInt32LE() >>> 8;

/** Distinct inputs, as far as there are so many. */
function distinctExamples(base: BaseProgram, random: Random, count: number): Example[] {
  const found = new Map<string, Example>();
  for (let tries = 0; found.size < count && tries < 50 * count; tries++) {
    const input = base.sample(random);
    found.set(JSON.stringify(input), { input, output: base.reference(input) });
  }
  return [...found.values()];
}

/**
 * `fresh` counts inputs that no example has. The bracket programs have few balanced inputs, which many examples use up:
 * the balanced accuracy is taken over as many inputs as they come, known or not.
 */
function judge(program: Program | undefined, base: BaseProgram, examples: readonly Example[], { seed, fresh }: Settings): { fresh: number; balanced: number | null } {
  const known = new Set(examples.map(({ input }) => JSON.stringify(input)));
  // Far from the examples' seed, so that no stream is shared.
  const random = new Random(seed + 0x5eed);
  const classes = [new Tally(), new Tally()];
  const unseen = new Tally();
  // Examples may use up all inputs of a small program; then what was drawn until here must do.
  for (let drawn = 0; drawn < fresh || (unseen.total < fresh && drawn < 40 * fresh); drawn++) {
    const input = base.sample(random);
    const isNew = !known.has(JSON.stringify(input));
    if (!isNew && drawn >= fresh) continue;
    const output = base.reference(input);
    const right = program !== undefined && isExact(program, { input, output });
    if (drawn < fresh) classes[output[0] === 1 ? 1 : 0]?.count(right);
    if (isNew && unseen.total < fresh) unseen.count(right);
  }
  const balanced = classes.reduce((sum, { share }) => sum + share, 0) / classes.length;
  return { fresh: unseen.share, balanced: base.name.startsWith('shuffle_dyck') ? balanced : null };
}

class Tally {
  private right = 0;
  total = 0;

  count(isRight: boolean): void {
    this.total++;
    this.right += isRight ? 1 : 0;
  }

  get share(): number {
    return this.right / Math.max(1, this.total);
  }
}

/** Is the mutated op among the first three suspects? The op is the smallest one around what the mutation wrote. */
export function located(bug: Bug, suspects: readonly Suspect[]): boolean | null {
  const [mutated] = bug.spans;
  if (bug.order !== 1 || !mutated || suspects.length === 0) return null;
  const program = programOfText(bug.path, bug.source, bug.dialect);
  if (!program) return null;
  const place = withoutParentheses(bug.source, mutated);
  const ops = nodesBelow(program.output)
    .map(({ origin }) => origin)
    .filter(({ form, span }) => form !== 'leaf' && span.file === bug.path && contains(span, place))
    .map(({ span }) => span);
  const op = ops.sort((a, b) => a.end - a.start - (b.end - b.start))[0];
  return op !== undefined && suspects.slice(0, 3).some(({ span }) => contains(op, span) && span.start < place.end && place.start < span.end);
}

const contains = (outer: Span, inner: Span): boolean => outer.start <= inner.start && inner.end <= outer.end;

/** `(indices + 1)` was written for the op `indices + 1`. */
function withoutParentheses(text: string, span: Span): Span {
  const inner = text.slice(span.start, span.end);
  if (!inner.startsWith('(') || !inner.endsWith(')')) return span;
  let depth = 0;
  for (let i = 0; i < inner.length - 1; i++) {
    depth += inner[i] === '(' ? 1 : inner[i] === ')' ? -1 : 0;
    if (depth === 0) return span;
  }
  return withoutParentheses(text, { ...span, start: span.start + 1, end: span.end - 1 });
}

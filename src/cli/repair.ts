// gradlens repair: repairs a program from its examples, shows the way there, writes what was found.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { readExampleFile, readProgram, readProgramExamples, readSource } from './files.ts';
import type { Environment, Outcome } from './outcome.ts';
import { jsonDiagnostic, Places, printedDiagnostics } from './places.ts';
import { providerOption } from './providers.ts';
import { colouredDiff, LiveTrajectory, percent, trajectoryLines } from './terminal.ts';
import type { ParsedArguments } from './usage.ts';
import { UsageError } from './usage.ts';
import type { SourceFile } from '../rasp/analyse.ts';
import type { Diagnostic } from '../rasp/diagnostic.ts';
import { repair as repairProgram } from '../repair/repair.ts';
import type { Patch, RepairMethod, RepairRequest, RepairResult, Suspect } from '../repair/types.ts';
import { repairMethods } from '../repair/types.ts';
import { ModelHost } from '../runtime/client.ts';

const SHOWN_SUSPECTS = 3;

export async function repair(args: ParsedArguments, environment: Environment): Promise<Outcome> {
  const { request, diagnostics, files } = requestOf(args);
  const places = new Places(files);
  if (diagnostics.length > 0) return refused(places, diagnostics);
  const target = outputFolder(args.values['out'], request.source);
  const provider = providerOption(args);
  const host = ModelHost.start({ hostPath: environment.hostPath, ...(provider === 'auto' ? {} : { provider }) });
  const services = { host, ...(environment.workerPath === undefined ? {} : { workerPath: environment.workerPath }) };
  const live = new LiveTrajectory(environment.terminal, () => environment.now());
  try {
    const result = await repairProgram(request, services, { token: environment.token, onProgress: (progress) => live.show(progress) });
    live.end();
    if (result.status === 'refused') return refused(places, result.diagnostics);
    return report(result, request, places, target, environment);
  } finally {
    host.dispose();
  }
}

interface Asked {
  readonly request: RepairRequest;
  /** Errors in the rows of the examples. */
  readonly diagnostics: readonly Diagnostic[];
  readonly files: readonly SourceFile[];
}

function requestOf({ positionals, values }: ParsedArguments): Asked {
  const source = readProgram(positionals);
  const given = readProgramExamples(source, values['examples']);
  const test = values['test'] === undefined ? undefined : readExampleFile(values['test']);
  const entry = values['entry'];
  const processes = processesOf(values['processes']);
  const request: RepairRequest = {
    source,
    readSource,
    examples: given.examples,
    method: methodOf(values['method']),
    budgetMillis: 1000 * positive('budget', values['budget'], 60),
    seed: Math.trunc(positive('seed', values['seed'], 1)),
    ...(test ? { test: test.examples } : {}),
    ...(entry === undefined ? {} : { entry }),
    ...(processes === undefined ? {} : { processes }),
  };
  const diagnostics = [...given.diagnostics, ...(test?.diagnostics ?? [])].filter(({ severity }) => severity === 'error');
  return { request, diagnostics, files: [source, ...given.files, ...(test?.files ?? [])] };
}

function methodOf(name = 'auto'): RepairMethod {
  const method = repairMethods.find((known) => known === name);
  if (!method) throw new UsageError(`There is no method “${name}”. The methods: ${repairMethods.join(', ')}.`);
  return method;
}

function positive(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!(value > 0 && Number.isFinite(value))) throw new UsageError(`--${name} must be a number above 0, and is “${text}”.`);
  return value;
}

/** As many as are worth a process each; undefined: as the machine has cores. */
function processesOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!(Number.isInteger(value) && value >= 1 && value <= 64)) throw new UsageError(`--processes must be a whole number from 1 to 64, and is “${text}”.`);
  return value;
}

/** The folder that --out names; never the program's own, where the patched program would replace it. */
function outputFolder(folder: string | undefined, source: SourceFile): string | null {
  if (folder === undefined) return null;
  if (path.resolve(folder) === path.dirname(path.resolve(source.path))) {
    throw new UsageError('--out is the folder of the program itself, where the patched program would replace it. Name another folder.');
  }
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw new UsageError(`The folder “${folder}” cannot be made: ${error instanceof Error ? error.message : String(error)}`);
  }
  return folder;
}

function refused(places: Places, diagnostics: readonly Diagnostic[]): Outcome {
  return {
    exitCode: 2,
    json: { status: 'refused', diagnostics: diagnostics.map((diagnostic) => jsonDiagnostic(places, diagnostic)) },
    lines: [...printedDiagnostics(places, diagnostics), 'Nothing was tried. Mend this first.'],
  };
}

function report(result: RepairResult, request: RepairRequest, places: Places, target: string | null, environment: Environment): Outcome {
  const modelPath = target !== null && result.model ? path.join(target, `${path.parse(request.source.path).name}.onnx`) : null;
  const json = jsonResult(places, result, modelPath);
  const written = target === null ? [] : write(target, request.source, result, modelPath, json);
  return {
    exitCode: result.status === 'repaired' || result.status === 'correct' ? 0 : 1,
    json,
    lines: [...humanLines(result, request, places, environment), ...written],
  };
}

function jsonResult(places: Places, result: RepairResult, model: string | null): unknown {
  const { status, method, exact, patch, alternatives, suspects, trajectory, readBack, tried, evaluations, millis, provider } = result;
  return {
    status,
    method,
    exact,
    patch: patch && jsonPatch(places, patch),
    alternatives: alternatives.map((other) => jsonPatch(places, other)),
    suspects: suspects.map(({ span, score, label }) => ({ range: places.range(span), score, label })),
    trajectory,
    model,
    readBack: readBack && { ...readBack, ops: readBack.ops.map(({ span, ...op }) => ({ range: places.range(span), ...op })) },
    tried,
    evaluations,
    millis,
    provider,
  };
}

function jsonPatch(places: Places, { unifiedDiff, edits, source, summary }: Patch): unknown {
  return { unifiedDiff, edits: edits.map(({ span, newText }) => ({ range: places.range(span), newText })), source, summary };
}

function write(folder: string, source: SourceFile, { patch, model }: RepairResult, modelPath: string | null, json: unknown): string[] {
  const reportPath = path.join(folder, 'report.json');
  writeFileSync(reportPath, `${JSON.stringify(json, null, 2)}\n`);
  const written = [reportPath];
  if (patch) {
    const programPath = path.join(folder, path.basename(source.path));
    writeFileSync(programPath, patch.source);
    written.unshift(programPath);
  }
  if (!model || modelPath === null) return [`Wrote ${written.join(' and ')}.`];
  writeFileSync(modelPath, model.onnx);
  return [`Wrote ${[modelPath, ...written].join(' and ')}. Try the model: gradlens run ${modelPath} --input JSON`];
}

function humanLines(result: RepairResult, { examples, budgetMillis = 60_000 }: RepairRequest, places: Places, { terminal }: Environment): string[] {
  const rows = examples.length;
  const { status, patch, alternatives, trajectory, suspects, exact, readBack } = result;
  if (status === 'correct') return [`The program is right on all ${rows} examples; there is nothing to repair.`];
  const width = Math.max(10, Math.min(48, terminal.columns - 32));
  return [
    headline(result, rows, budgetMillis),
    '',
    ...trajectoryLines(trajectory, width).map((line) => `  ${line}`),
    '',
    ...suspectLines(suspects, places),
    ...(patch ? [patch.summary, '', colouredDiff(patch.unifiedDiff, terminal.colours)] : []),
    ...(patch && !readBack ? [] : ['What was tried:', ...result.tried.map((line) => `  ${line}`)]),
    ...alternatives.map((other) => `Also right on every example: ${other.summary}`),
    ...(exact.test === null ? [] : [`Held-out examples: ${percent(exact.test)} exactly right.`]),
  ];
}

function headline({ status, method, model, millis, evaluations, provider, trajectory }: RepairResult, rows: number, budgetMillis: number): string {
  const effort = `${(millis / 1000).toFixed(1)} s, ${evaluations} ${method === 'weights' ? 'training steps' : 'candidates'}, gradients on ${provider}`;
  if (status === 'repaired') return `Repaired: right on all ${rows} examples (found by ${method ?? 'search'}; ${effort}).`;
  if (model) {
    const heldOut = `${percent(model.exact.validation)} of ${model.rows.validation} held-out examples exactly right`;
    return `No patch, but a model: all ${model.parameters} weights trained, ${heldOut}, ${percent(model.exact.examples)} of all (${(millis / 1000).toFixed(1)} s, ${model.steps} steps on ${provider}). --out DIR writes it.`;
  }
  const best = Math.max(0, ...trajectory.map(({ accuracy }) => accuracy));
  const next = millis < 0.9 * budgetMillis ? 'Everything was tried before the time was up.' : 'The time was up; --budget SECONDS gives more.';
  return `Not repaired: the best candidate is right on ${percent(best)} of the examples (${effort}). ${next}`;
}

function suspectLines(suspects: readonly Suspect[], places: Places): string[] {
  const shown = suspects.slice(0, SHOWN_SUSPECTS).filter(({ score }) => score > 0.01);
  if (shown.length === 0) return [];
  return ['Suspects, by their share of what the gradient promises:', ...shown.flatMap(({ span, score }) => [`  ${percent(score).padStart(7)}  ${places.name(span)}`, ...places.underlined(span, '           ')]), ''];
}

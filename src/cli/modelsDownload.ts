// gradlens models download: brings a language model from the Hub into a folder of its own.
import path from 'node:path';
import type { Environment, Outcome } from './outcome.ts';
import { ProgressLine } from './progressLine.ts';
import type { ParsedArguments } from './usage.ts';
import { UsageError } from './usage.ts';
import type { Download, DownloadPlan, DownloadProgress } from '../lm/download.ts';
import { downloadModel } from '../lm/download.ts';
import type { DownloadProblem, DownloadProblemCode } from '../lm/hub/problem.ts';
import { folderOfRepository, modelsFolder } from '../lm/modelsFolder.ts';
import { sizeText } from '../shared/sizeText.ts';

/** The machine or the network failed: another try may succeed. Other problems lie in what was asked for. */
const failures: ReadonlySet<DownloadProblemCode> = new Set(['no-space', 'cannot-write', 'unreachable', 'server', 'checksum', 'busy']);

/** `positionals`: what follows `models download`. @throws UsageError, CancelledError */
export async function modelsDownload({ positionals, values }: ParsedArguments, { terminal, token, now }: Environment): Promise<Outcome> {
  const [repo, ...more] = positionals;
  if (repo === undefined) throw new UsageError('Which model? Give its repository as owner/name, for example: gradlens models download onnx-community/SmolLM2-135M-ONNX --variant q4');
  if (more.length > 0) throw new UsageError(`One model at a time: “${more[0] ?? ''}” is too many.`);
  const { revision, variant, to } = values;
  const folder = path.resolve(to ?? folderOfRepository(modelsFolder(), repo));
  const line = new ProgressLine(terminal, now);
  const result = await downloadModel(repo, {
    folder,
    revision,
    variant,
    token,
    onPlan: (plan) => terminal.err(planLines(plan).map((text) => `${text}\n`).join('')),
    onProgress: (progress) => line.show(progressText(progress)),
    log: (text) => line.say(text),
  }).finally(() => line.end());
  return result.ok ? outcome(result.download) : refused(result.problem);
}

function planLines({ repo, revision, commit, variant, files, bytes, presentBytes, folder, notes }: DownloadPlan): readonly string[] {
  const there = presentBytes > 0 ? `, ${sizeText(presentBytes)} of them there already` : '';
  return [`${repo} at ${revision} (${commit.slice(0, 7)}), variant ${variant}: ${files.length} files, ${sizeText(bytes)}${there}, into ${folder}`, ...notes];
}

function outcome(download: Download): Outcome {
  const { repo, revision, variant, folder, files, bytes, received } = download;
  const how = received === 0 ? 'was complete already' : `${sizeText(received)} received`;
  return {
    exitCode: 0,
    json: { status: 'complete', ...download },
    lines: [`${folder}: ${repo} at ${revision}, variant ${variant}, ${files.length} files, ${sizeText(bytes)}; ${how}`],
  };
}

function refused({ code, message }: DownloadProblem): Outcome {
  return { exitCode: failures.has(code) ? 3 : 2, json: { status: 'failed', code, error: message }, lines: [message] };
}

function progressText({ file, filesDone, files, bytesDone, bytes, bytesPerSecond }: DownloadProgress): string {
  const share = bytes === 0 ? 100 : Math.floor((100 * bytesDone) / bytes);
  const left = bytesPerSecond > 0 ? `, ${durationText((bytes - bytesDone) / bytesPerSecond)} left` : '';
  return `${share} %  ${sizeText(bytesDone)} of ${sizeText(bytes)}, ${filesDone} of ${files} files, ${sizeText(bytesPerSecond)}/s${left}  ${file}`;
}

function durationText(seconds: number): string {
  if (seconds < 60) return `${Math.ceil(seconds)} s`;
  return seconds < 3600 ? `${Math.ceil(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

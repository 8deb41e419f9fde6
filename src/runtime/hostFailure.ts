// Why a model host could not start, from what it said before it ended.
import { existsSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';

const KEPT_LINES = 40;
/** Error output may come after the exit; a process that inherited it may keep it open for ever. */
const LAST_WORDS_MILLIS = 500;

/** The end of a process's error output. */
export class LastWords {
  private lines: string[] = [];
  private rest = '';
  private readonly ended: Promise<void>;

  constructor(stream: Readable | null) {
    stream?.setEncoding('utf8').on('data', (text: string) => this.keep(text));
    // An open pipe must not keep the program alive.
    if (stream instanceof Socket) stream.unref();
    this.ended = stream ? new Promise((resolve) => stream.once('close', resolve)) : Promise.resolve();
  }

  /** Waits until all has arrived, half a second at most. */
  async complete(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([this.ended, new Promise((resolve) => (timer = setTimeout(resolve, LAST_WORDS_MILLIS)))]);
    clearTimeout(timer);
  }

  /** The lines that say what is wrong, or else the last ones. */
  get text(): string {
    const lines = [...this.lines, this.rest].map((line) => line.trim()).filter((line) => line !== '');
    const telling = lines.filter((line) => /^(?:uncaught )?[\w ]*error\b.*:|cannot open shared object|not found \(required by|^dyld|symbol not found/i.test(line));
    return (telling.length > 0 ? telling.slice(0, 2) : lines.slice(-3)).join(' ');
  }

  private keep(text: string): void {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop() ?? '';
    this.lines = [...this.lines, ...lines].slice(-KEPT_LINES);
  }
}

/** What is said of a host that ended before it was ready: `how` it ended, `words` what it wrote to its error output. */
export function startFailure(hostPath: string, how: string, words: string): string {
  const said = words === '' ? '' : ` It said: ${words}`;
  return `The model host cannot start: ${reason(hostPath, how, words)}${said}`;
}

function reason(hostPath: string, how: string, words: string): string {
  if (!existsSync(hostPath)) return `its script ${hostPath} is missing. Install GradLens again; in its sources, run “npm run build”.`;
  if (/cannot find (?:module|package) '(?:onnxruntime-node|onnxruntime-common)/i.test(words)) {
    return 'the ONNX runtime is not installed. Install GradLens again; in its sources, run “npm ci” (with ONNXRUNTIME_NODE_INSTALL=skip where api.nuget.org cannot be reached).';
  }
  if (/cannot find module .*onnxruntime_binding\.node/i.test(words)) return `the ONNX runtime has no binary for ${process.platform} on ${process.arch}. Use a package of GradLens for this platform; macOS needs an Apple processor.`;
  if (/shared object|dlopen|DLL|specified module could not be found|image not found|dyld|GLIBC|GLIBCXX|not found \(required by/i.test(words)) {
    return `a library that the ONNX runtime needs is missing or too old. ${libraryAdvice()}`;
  }
  return `it ended ${how} before it was ready. Install GradLens again, or report this.`;
}

function libraryAdvice(): string {
  if (process.platform === 'win32') return 'Install the Microsoft Visual C++ Redistributable (x64).';
  if (process.platform === 'darwin') return 'Update macOS.';
  return 'Install the library that is named below; a glibc system with libstdc++ is needed (musl, as in Alpine, is not enough).';
}

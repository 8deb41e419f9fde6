// The same Llama in torch, in a process of its own: the weights go over by a file, the work is asked for line by line.
import type { ChildProcessByStdio } from 'node:child_process';
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { TimedModel } from './llama.ts';
import { decodeModel } from '../../src/onnx/decode.ts';

export interface TorchRun {
  readonly ids: readonly number[];
  readonly promptMillis: number;
  readonly decodeMillis: number;
}

export class TorchDecoder {
  private constructor(
    private readonly child: ChildProcessByStdio<Writable, Readable, null>,
    private readonly lines: AsyncIterator<string>,
    readonly version: string,
    readonly blas: string,
  ) {}

  /** @param kernels OPENBLAS_CORETYPE; null: its own choice */
  static async start(python: string, threads: number, kernels: string | null): Promise<TorchDecoder> {
    const script = fileURLToPath(new URL('../generate-torch.py', import.meta.url));
    const count = String(threads);
    const environment = { OMP_NUM_THREADS: count, OPENBLAS_NUM_THREADS: count, ...(kernels === null ? {} : { OPENBLAS_CORETYPE: kernels }) };
    const child = spawn(python, [script, count], { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...environment } });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const { torch } = JSON.parse(await nextOf(lines)) as { torch: string };
    return new TorchDecoder(child, lines, torch, kernels ?? 'its own choice of kernels');
  }

  /** Gives the weights of a Llama over, by their Hugging Face names; matrices as the graph has them, [in, out]. */
  async load({ weights: file, shape }: TimedModel): Promise<void> {
    const path = fileURLToPath(new URL('../../artifacts/bench/torch-weights.bin', import.meta.url));
    const weights = llamaWeights(readFileSync(file), file);
    writeFileSync(path, Buffer.concat(weights.map(({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength))));
    await this.ask({ type: 'load', path, weights: weights.map(({ name, dims }) => ({ name, dims })), ...shape });
  }

  async decode(prompt: readonly number[], tokens: number): Promise<TorchRun> {
    return (await this.ask({ type: 'decode', prompt, tokens })) as TorchRun;
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  dispose(): void {
    this.child.kill();
  }

  private async ask(request: unknown): Promise<unknown> {
    this.child.stdin.write(`${JSON.stringify(request)}\n`);
    return JSON.parse(await nextOf(this.lines));
  }
}

interface Weight {
  readonly name: string;
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

function llamaWeights(bytes: Uint8Array, path: string): readonly Weight[] {
  const decoded = decodeModel(bytes, path);
  if (!decoded.ok) throw new Error(decoded.fault.message);
  return [...decoded.graph.initializers].flatMap(([name, tensor]) => {
    if (!('data' in tensor) || !(tensor.data instanceof Float32Array) || !name.endsWith('.weight')) return [];
    return [{ name, dims: tensor.dims, data: tensor.data }];
  });
}

async function nextOf(lines: AsyncIterator<string>): Promise<string> {
  const { done, value } = await lines.next();
  if (done) throw new Error('the torch process ended; what it said is above');
  return value;
}

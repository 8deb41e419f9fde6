// Runs a table program and its gradient on the model host.
import type { TableProgram } from './tableProgram.ts';
import { differentiate, gradientName } from '../onnx/differentiate.ts';
import { encodeGraph } from '../onnx/encode.ts';
import type { Graph, Tensor } from '../onnx/graph.ts';
import { elementCount } from '../onnx/graph.ts';
import type { ShapeOf } from '../onnx/rules.ts';
import { measureShapes } from '../onnx/shapes.ts';
import type { ModelHost, RunOptions, Session } from '../runtime/client.ts';
import { survivingDeaths } from '../runtime/client.ts';
import type { HostTensor, Provider } from '../runtime/protocol.ts';
import type { CancellationToken } from '../shared/cancellation.ts';

export interface TableGradientResult {
  readonly loss: number;
  /** d loss / d parameter, in the parameter's own layout. */
  readonly gradients: Readonly<Record<string, Float32Array>>;
}

/** Tables by parameter name; a parameter that is missing keeps its initial table. */
export type Tables = Readonly<Record<string, Float32Array>>;

/** The graph of a table program with the gradient of its loss by every parameter. */
export async function differentiated(program: TableProgram, host: ModelHost): Promise<Graph> {
  const shapes = await shapesOf(program.graph, host);
  return differentiate(program.graph, { loss: 'loss', withRespectTo: program.parameters.map(({ name }) => name), shapes });
}

/** Shapes of a graph whose only changing dimension is the batch. */
export function shapesOf(graph: Graph, host: ModelHost): Promise<ShapeOf> {
  const blank = (batch: number): Record<string, Tensor> =>
    Object.fromEntries(
      graph.inputs.map(({ name, dims }) => {
        const sizes = dims.map((dim) => (typeof dim === 'number' ? dim : batch));
        return [name, { type: 'float32', dims: sizes, data: new Float32Array(elementCount(sizes)) }];
      }),
    );
  return measureShapes(graph, [blank(2), blank(3)], async (model, feeds) => {
    const session = await host.createSession(model, { provider: 'cpu', optimization: 'disabled' });
    try {
      return await session.run(feeds as Record<string, HostTensor>);
    } finally {
      await session.release();
    }
  });
}

export interface TableRunnerOptions {
  readonly provider?: Provider;
  /** Without: only `outputs` may be asked for, and the start is quicker. */
  readonly gradients?: boolean;
}

export class TableRunner {
  private constructor(
    private readonly program: TableProgram,
    private readonly session: Session,
  ) {}

  /** Opens the program and its gradient on the host. @throws RuntimeError, HostDiedError */
  static async start(program: TableProgram, host: ModelHost, options: TableRunnerOptions = {}): Promise<TableRunner> {
    const { provider, gradients = true } = options;
    return survivingDeaths(async () => {
      const graph = gradients ? await differentiated(program, host) : program.graph;
      return new TableRunner(program, await host.createSession(encodeGraph(graph), provider ? { provider } : {}));
    });
  }

  /** The execution provider that runs it. */
  get provider(): Provider {
    return this.session.provider;
  }

  /** The probability of each output value, [batch, length, outputs]. */
  async outputs(feeds: Readonly<Record<string, HostTensor>>, tables: Tables = {}): Promise<Float32Array> {
    const results = await this.run(feeds, tables, { outputs: ['output'] });
    return floats(results, 'output');
  }

  async gradients(
    feeds: Readonly<Record<string, HostTensor>>,
    tables: Tables = {},
    token?: CancellationToken,
  ): Promise<TableGradientResult> {
    const names = this.program.parameters.map(({ name }) => name);
    const outputs = ['loss', ...names.map((name) => gradientName(name))];
    const results = await this.run(feeds, tables, { outputs, ...(token ? { token } : {}) });
    const gradients = Object.fromEntries(names.map((name) => [name, floats(results, gradientName(name))]));
    return { loss: floats(results, 'loss')[0] ?? Number.NaN, gradients };
  }

  async dispose(): Promise<void> {
    await this.session.release();
  }

  private run(feeds: Readonly<Record<string, HostTensor>>, tables: Tables, options: RunOptions): Promise<Readonly<Record<string, HostTensor>>> {
    return survivingDeaths(() => this.session.run({ ...feeds, ...this.tableFeeds(tables) }, options));
  }

  private tableFeeds(tables: Tables): Record<string, HostTensor> {
    return Object.fromEntries(
      this.program.parameters.map(({ name, dims, initial }) => [name, { type: 'float32', dims, data: tables[name] ?? initial }]),
    );
  }
}

function floats(results: Readonly<Record<string, HostTensor>>, name: string): Float32Array {
  const data = results[name]?.data;
  if (!(data instanceof Float32Array)) throw new RangeError(`the output ${name} is missing`);
  return data;
}

// Trains the parameters of a table program on the model host, step by step; its state lives here, so a host that dies
// costs one step.
import type { Graph } from '../onnx/graph.ts';
import { elementCount } from '../onnx/graph.ts';
import { encodeGraph } from '../onnx/encode.ts';
import { defaultAdam, trainingStep } from '../onnx/optimizers.ts';
import { shapesOf } from './run.ts';
import type { ModelHost, Session } from '../runtime/client.ts';
import { survivingDeaths } from '../runtime/client.ts';
import type { HostTensor, Provider } from '../runtime/protocol.ts';
import type { CancellationToken } from '../shared/cancellation.ts';

export interface TrainerOptions {
  readonly graph: Graph;
  readonly loss: string;
  /** Names and start values of the trained inputs. */
  readonly start: Readonly<Record<string, HostTensor>>;
  readonly learningRate: number;
  readonly provider?: Provider;
}

interface State {
  readonly values: Readonly<Record<string, HostTensor>>;
  readonly m: Readonly<Record<string, HostTensor>>;
  readonly v: Readonly<Record<string, HostTensor>>;
  readonly step: number;
}

export class Trainer {
  private state: State;
  private learningRate: number;

  private constructor(
    private readonly session: Session,
    private readonly options: TrainerOptions,
  ) {
    this.learningRate = options.learningRate;
    this.state = freshState(options.start);
  }

  static async start(options: TrainerOptions, host: ModelHost): Promise<Trainer> {
    const shapes = await shapesOf(options.graph, host);
    const step = trainingStep(options.graph, { loss: options.loss, parameters: Object.keys(options.start), shapes });
    const session = await host.createSession(encodeGraph(step), options.provider ? { provider: options.provider } : {});
    return new Trainer(session, options);
  }

  get values(): Readonly<Record<string, HostTensor>> {
    return this.state.values;
  }

  /** Starts again from other values and at another rate, with fresh moments. */
  restart(values: Readonly<Record<string, HostTensor>>, learningRate: number): void {
    this.learningRate = learningRate;
    this.state = freshState(values);
  }

  /** One Adam step on the feeds; gives the loss before it. Survives the death of the host. */
  async step(feeds: Readonly<Record<string, HostTensor>>, token?: CancellationToken): Promise<number> {
    const step = this.state.step + 1;
    const all = { ...feeds, ...this.stateFeeds(step) };
    const results = await survivingDeaths(() => this.session.run(all, token ? { token } : {}));
    const pick = (prefix: string): Record<string, HostTensor> =>
      Object.fromEntries(Object.keys(this.state.values).map((name) => [name, required(results, `next/${prefix}${name}`)]));
    this.state = { values: pick(''), m: pick('m/'), v: pick('v/'), step };
    return Number(required(results, this.options.loss).data[0]);
  }

  async dispose(): Promise<void> {
    await this.session.release();
  }

  private stateFeeds(step: number): Record<string, HostTensor> {
    const scalar = (value: number): HostTensor => ({ type: 'float32', dims: [], data: Float32Array.of(value) });
    const { values, m, v } = this.state;
    const feeds: Record<string, HostTensor> = {
      learningRate: scalar(this.learningRate),
      correction1: scalar(1 - defaultAdam.beta1 ** step),
      correction2: scalar(1 - defaultAdam.beta2 ** step),
    };
    for (const name of Object.keys(values)) {
      feeds[name] = required(values, name);
      feeds[`m/${name}`] = required(m, name);
      feeds[`v/${name}`] = required(v, name);
    }
    return feeds;
  }
}

function freshState(values: Readonly<Record<string, HostTensor>>): State {
  const zeros = Object.fromEntries(
    Object.entries(values).map(([name, { type, dims }]) => [name, { type, dims, data: new Float32Array(elementCount(dims)) }]),
  );
  return { values, m: zeros, v: zeros, step: 0 };
}

function required(tensors: Readonly<Record<string, HostTensor>>, name: string): HostTensor {
  const tensor = tensors[name];
  if (!tensor) throw new RangeError(`the value ${name} is missing`);
  return tensor;
}

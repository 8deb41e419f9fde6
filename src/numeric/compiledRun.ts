// Runs a compiled model on the model host: inputs of any lengths, batched by length.
import type { ModelDescription } from './compiledModel.ts';
import { decodeOutput, encodeInputs, inputProblem, outputName } from './compiledModel.ts';
import type { Value } from '../rasp/program.ts';
import type { ModelHost, Session } from '../runtime/client.ts';

export class CompiledModel {
  private constructor(
    readonly description: ModelDescription,
    private readonly session: Session,
  ) {}

  /** @throws RuntimeError, HostDiedError */
  static async open(model: Uint8Array, description: ModelDescription, host: ModelHost): Promise<CompiledModel> {
    return new CompiledModel(description, await host.createSession(model, { provider: 'cpu' }));
  }

  /**
   * The output of each input, in their order.
   * @throws RangeError for an input that `inputProblem` objects to
   */
  async run(inputs: readonly (readonly Value[])[]): Promise<readonly (readonly Value[])[]> {
    const byLength = new Map<number, number[]>();
    inputs.forEach((input, i) => {
      const problem = inputProblem(this.description, input);
      if (problem !== null) throw new RangeError(problem);
      byLength.set(input.length, [...(byLength.get(input.length) ?? []), i]);
    });
    const outputs: (readonly Value[])[] = [];
    for (const rows of byLength.values()) {
      const batch = await this.batch(rows.map((i) => inputs[i] ?? []));
      rows.forEach((i, e) => (outputs[i] = batch[e] ?? []));
    }
    return outputs;
  }

  async dispose(): Promise<void> {
    await this.session.release();
  }

  private async batch(inputs: readonly (readonly Value[])[]): Promise<readonly (readonly Value[])[]> {
    const name = outputName(this.description);
    const results = await this.session.run(encodeInputs(this.description, inputs), { outputs: [name] });
    const output = results[name];
    if (!output) throw new RangeError(`the output ${name} is missing`);
    return decodeOutput(this.description, output);
  }
}

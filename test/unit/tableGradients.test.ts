// Gradients of whole table programs, against finite differences in float64, and on a GPU provider against CPU.
import assert from 'node:assert/strict';
import { after, describe, it } from 'mocha';
import { basePrograms, fileNameOf, sourceOf } from '../../bench/raspbugs/programs.ts';
import { examplesOf } from '../../bench/raspbugs/generate.ts';
import { encodeExamples } from '../../src/numeric/encode.ts';
import { shapesOf } from '../../src/numeric/run.ts';
import { selfCheck } from '../../src/numeric/selfCheck.ts';
import type { TableProgram } from '../../src/numeric/tableProgram.ts';
import { Trainer } from '../../src/numeric/train.ts';
import { differentiate } from '../../src/onnx/differentiate.ts';
import { encodeGraph } from '../../src/onnx/encode.ts';
import { toFloat64 } from '../../src/onnx/float64.ts';
import { programOf } from '../../src/rasp/analyse.ts';
import { analyse } from '../../src/rasp/frontend.ts';
import type { Dialect } from '../../src/rasp/program.ts';
import { Batch } from '../../src/repair/batch.ts';
import { relaxedProgram } from '../../src/repair/gradient.ts';
import type { ModelHost } from '../../src/runtime/client.ts';
import { chooseProvider, probeProviders } from '../../src/runtime/providers.ts';
import type { HostTensor, Provider } from '../../src/runtime/protocol.ts';
import { Random } from '../../src/shared/random.ts';
import { sharedHost, startHost } from '../support/host.ts';
import { softwareGpu } from '../support/softwareGpu.ts';

const STEP = 1e-6;

function tableProgram(name: string, dialect: Dialect, count: number): { program: TableProgram; feeds: Record<string, HostTensor> } {
  const base = basePrograms.find((candidate) => candidate.name === name);
  assert.ok(base);
  const source = { path: fileNameOf(name, dialect), text: sourceOf(name, dialect) };
  const traced = programOf(analyse(source, { dialect }));
  assert.ok(traced);
  const examples = examplesOf(base, new Random(5), count);
  const batch = new Batch(traced.output, dialect, examples);
  const program = relaxedProgram(batch, batch.evaluate(), [], examples);
  return { program, feeds: encodeExamples(program, examples) };
}

/** Every table blended with noise, so that no value sits on the edge of a clip. */
function softTables(program: TableProgram, random: Random): Record<string, HostTensor> {
  return Object.fromEntries(
    program.parameters.map(({ name, dims, initial }) => [
      name,
      { type: 'float64', dims, data: Float64Array.from(initial, (entry) => 0.8 * entry + 0.17 * random.next() * 0.3 + 0.011) },
    ]),
  );
}

const widen = (feeds: Readonly<Record<string, HostTensor>>): Record<string, HostTensor> =>
  Object.fromEntries(Object.entries(feeds).map(([name, { dims, data }]) => [name, { type: 'float64', dims, data: Float64Array.from(data as Float32Array) }]));

describe('gradients of table programs', () => {
  for (const { name } of basePrograms) {
    for (const dialect of ['rasp', 'tracr'] as const) {
      it(`agree with central differences in float64 to 1e-6: ${name}, ${dialect}`, async () => {
        const { program, feeds } = tableProgram(name, dialect, 6);
        const names = program.parameters.map((parameter) => parameter.name);
        const shapes = await shapesOf(program.graph, sharedHost());
        const graph = toFloat64(differentiate(program.graph, { loss: 'loss', withRespectTo: names, shapes }));
        const session = await sharedHost().createSession(encodeGraph(graph), { provider: 'cpu' });
        const random = new Random(6);
        const tables = softTables(program, random);
        const fixed = widen(feeds);
        const found = await session.run({ ...fixed, ...tables });
        const lossAt = async (at: Record<string, HostTensor>): Promise<number> => Number((await session.run({ ...fixed, ...at }, { outputs: ['loss'] }))['loss']?.data[0]);
        for (const { name: parameter } of program.parameters) {
          const table = tables[parameter];
          const gradient = found[`grad/${parameter}`]?.data as Float64Array;
          assert.ok(table && gradient);
          const direction = Float64Array.from(table.data as Float64Array, () => random.normal());
          const moved = (by: number): Record<string, HostTensor> => ({ ...tables, [parameter]: { ...table, data: (table.data as Float64Array).map((x, i) => x + by * (direction[i] ?? 0)) } });
          const slope = ((await lossAt(moved(STEP))) - (await lossAt(moved(-STEP)))) / (2 * STEP);
          const promised = gradient.reduce((sum, g, i) => sum + g * (direction[i] ?? 0), 0);
          const scale = Math.max(1, Math.sqrt(gradient.reduce((sum, g) => sum + g * g, 0)));
          assert.ok(Math.abs(slope - promised) / scale < 1e-6, `${parameter}: ${promised} promised, ${slope} found`);
        }
        await session.release();
      });
    }
  }
});

describe('a GPU provider in software', () => {
  let gpu: ModelHost | undefined;
  after(() => gpu?.dispose());

  it('trains the same tables as CPU, to 1e-3', async function () {
    const environment = softwareGpu();
    if (!environment) this.skip();
    gpu = startHost({ environment });
    const { program, feeds } = tableProgram('reverse', 'rasp', 8);
    const start = Object.fromEntries(program.parameters.map(({ name, dims, initial }) => [name, { type: 'float32', dims, data: initial.map((x) => 0.7 * x + 0.05) } as const]));
    const train = async (host: ModelHost, provider: Provider): Promise<{ losses: number[]; values: Readonly<Record<string, HostTensor>> }> => {
      const trainer = await Trainer.start({ graph: program.graph, loss: 'loss', start, learningRate: 0.02, provider }, host);
      const losses: number[] = [];
      for (let step = 0; step < 8; step++) losses.push(await trainer.step(feeds));
      await trainer.dispose();
      return { losses, values: trainer.values };
    };
    const [cpu, webgpu] = [await train(sharedHost(), 'cpu'), await train(gpu, 'webgpu')];
    assert.ok((cpu.losses.at(-1) ?? 1) < (cpu.losses[0] ?? 0), 'training lowers the loss');
    cpu.losses.forEach((loss, i) => assert.ok(Math.abs(loss - (webgpu.losses[i] ?? Number.NaN)) < 1e-3));
    for (const [name, { data }] of Object.entries(cpu.values)) {
      const other = webgpu.values[name]?.data as Float32Array;
      (data as Float32Array).forEach((x, i) => assert.ok(Math.abs(x - (other[i] ?? Number.NaN)) < 1e-3, `${name}[${i}]`));
    }
  });

  it('passes the self-check, and never wins over CPU by default', async function () {
    const environment = softwareGpu();
    if (!environment) this.skip();
    gpu ??= startHost({ environment });
    const reports = await probeProviders(gpu, await selfCheck(gpu));
    const webgpu = reports.find(({ provider }) => provider === 'webgpu');
    assert.equal(webgpu?.works, true, webgpu?.reason);
    assert.ok((webgpu?.difference ?? 1) < 1e-3);
    assert.equal(chooseProvider(reports), 'cpu');
    const cuda = reports.find(({ provider }) => provider === 'cuda');
    assert.equal(cuda?.works, false);
    assert.ok((cuda?.reason.length ?? 0) > 10, 'the reason is told');
  });
});

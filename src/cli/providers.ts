// gradlens providers: which execution providers work on this machine.
import type { Environment, Outcome } from './outcome.ts';
import { ModelHost } from '../runtime/client.ts';

export async function providers({ hostPath }: Environment): Promise<Outcome> {
  const host = ModelHost.start({ hostPath });
  try {
    const { backends, version } = await host.backends();
    return {
      exitCode: 0,
      json: { runtime: version, backends },
      lines: [`ONNX Runtime ${version}`, ...backends.map(({ name, bundled }) => `  ${name.padEnd(8)} ${bundled ? 'bundled' : 'not bundled'}`)],
    };
  } finally {
    host.dispose();
  }
}

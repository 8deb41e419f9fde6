// A process with nothing to do but one request to a model host: for a test of hosts that cannot start. Argument: the host's script.
import { ModelHost, survivingDeaths } from '../../src/runtime/client.ts';

const host = ModelHost.start({ hostPath: process.argv[2] ?? '' });
survivingDeaths(() => host.createSession(new Uint8Array(3))).then(
  () => console.log('opened'),
  (error: unknown) => console.log(String(error)),
);

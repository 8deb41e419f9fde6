// A worker process of the benchmark: measures one repair after the other with a model host of its own.
import type { Job, Measurement } from './measure.ts';
import { measure } from './measure.ts';
import type { Answer } from './pool.ts';
import { ModelHost } from '../../src/runtime/client.ts';

const hostPath = process.argv[2];
if (hostPath === undefined) throw new RangeError('the path of the model host is missing');
const host = ModelHost.start({ hostPath });

const send = (answer: Answer<Measurement>): void => void process.send?.(answer);

process.on('message', (job: Job) => {
  measure(job, host).then(
    (result) => send({ result }),
    (error: unknown) => send({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  );
});
process.on('disconnect', () => {
  host.dispose();
  process.exit(0);
});

// A worker process of the benchmark: measures one repair after the other with a model host of its own.
import type { Job } from './measure.ts';
import { measure } from './measure.ts';
import { ModelHost } from '../../src/runtime/client.ts';

const hostPath = process.argv[2];
if (hostPath === undefined) throw new RangeError('the path of the model host is missing');
const host = ModelHost.start({ hostPath });

process.on('message', (job: Job) => {
  measure(job, host).then(
    (measurement) => process.send?.(measurement),
    (error: unknown) => {
      console.error(`${job.bug.id} (${job.method}):`, error);
      process.exit(1);
    },
  );
});
process.on('disconnect', () => {
  host.dispose();
  process.exit(0);
});

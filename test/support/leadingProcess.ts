// A process that leads a repair on two processes and would never end: for a test that kills it.
// Arguments: the built worker, the built host, a program, its examples as JSON.
import { repair } from '../../src/repair/repair.ts';
import type { Example } from '../../src/repair/types.ts';
import { ModelHost } from '../../src/runtime/client.ts';

const [workerPath = '', hostPath = '', text = '', examples = '[]'] = process.argv.slice(2);
const services = { host: ModelHost.start({ hostPath }), workerPath, isProcessorSpare: () => true };
void repair({ source: { path: 'n.rasp', text }, examples: JSON.parse(examples) as Example[], budgetMillis: 600_000, processes: 2 }, services);

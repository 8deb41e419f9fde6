// A process that downloads a model, for a test that kills it: node SCRIPT ENDPOINT REPO FOLDER.
import { downloadModel } from '../../src/lm/download.ts';
import { neverCancelled } from '../../src/shared/cancellation.ts';

const [endpoint = '', repo = '', folder = ''] = process.argv.slice(2);
void downloadModel(repo, { folder, endpoint, environment: {}, token: neverCancelled }).then((result) => {
  console.log(result.ok ? 'ok' : `${result.problem.code}: ${result.problem.message}`);
  process.exitCode = result.ok ? 0 : 1;
});

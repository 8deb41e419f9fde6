// Builds the extension, the model host, the command line and the webview pages into dist/.
import { build, context } from 'esbuild';
import { existsSync, readdirSync } from 'node:fs';

const watch = process.argv.includes('--watch');
const common = { bundle: true, sourcemap: true, minify: !watch, logLevel: 'warning', legalComments: 'none' };
const node = { ...common, platform: 'node', target: 'node20', format: 'cjs', outExtension: { '.js': '.cjs' }, external: ['vscode', 'onnxruntime-node'] };

const nodeEntries = {
  extension: 'src/extension.ts',
  host: 'src/runtime/host.ts',
  cli: 'src/cli.ts',
  worker: 'src/repair/worker.ts',
  lm: 'src/modelProcess.ts',
};
const present = Object.fromEntries(Object.entries(nodeEntries).filter(([, file]) => existsSync(file)));
const pages = existsSync('webview')
  ? readdirSync('webview', { withFileTypes: true }).filter((entry) => entry.isDirectory() && existsSync(`webview/${entry.name}/main.ts`))
  : [];

const builds = [
  { ...node, entryPoints: present, outdir: 'dist', banner: { js: '' } },
  ...(pages.length === 0
    ? []
    : [{
        ...common,
        platform: 'browser',
        target: 'es2022',
        format: 'iife',
        loader: { '.css': 'css', '.ttf': 'file' },
        entryPoints: Object.fromEntries(pages.map((page) => [page.name, `webview/${page.name}/main.ts`])),
        outdir: 'dist/webview',
      }]),
];

for (const options of builds) {
  if (watch) await (await context(options)).watch();
  else await build(options);
}

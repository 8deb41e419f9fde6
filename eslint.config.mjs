import tseslint from 'typescript-eslint';

/** Layers from the bottom up; a folder may import itself and what its row lists, nothing else of src. */
const layers = {
  shared: [],
  rasp: ['shared'],
  onnx: ['shared'],
  runtime: ['shared'],
  numeric: ['rasp', 'onnx', 'runtime', 'shared'],
  lm: ['onnx', 'runtime', 'shared'],
  steering: ['lm', 'onnx', 'runtime', 'shared'],
  repair: ['numeric', 'rasp', 'onnx', 'runtime', 'shared'],
  probes: ['lm', 'onnx', 'runtime', 'shared'],
  editor: ['probes', 'repair', 'steering', 'lm', 'numeric', 'rasp', 'onnx', 'runtime', 'shared'],
  cli: ['probes', 'repair', 'steering', 'lm', 'numeric', 'rasp', 'onnx', 'runtime', 'shared'],
};
const folders = Object.keys(layers);

const nativeModules = {
  name: 'onnxruntime-node',
  message: 'The native runtime is loaded in src/runtime/host.ts alone, which runs in a process of its own.',
};
const vscodeModule = { name: 'vscode', message: 'Only src/editor and src/extension.ts may know VS Code.' };

const layerRules = folders.map((folder) => {
  const forbidden = folders.filter((other) => other !== folder && !layers[folder].includes(other));
  return {
    files: [`src/${folder}/**/*.ts`],
    ignores: ['src/runtime/host.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          paths: folder === 'editor' ? [nativeModules] : [nativeModules, vscodeModule],
          patterns: [
            { group: forbidden.map((other) => `**/${other}/**`), message: `src/${folder} must not import from there: arrows go down only.` },
            { group: ['**/webview/**'], message: 'Browser code is not for the extension host.' },
          ].filter((pattern) => pattern.group.length > 0),
        },
      ],
    },
  };
});

export default tseslint.config(
  { ignores: ['dist/**', 'node_modules/**', 'artifacts/**', 'coverage/**', '.vscode-web/**', 'src/onnx/generated/**'] },
  ...tseslint.configs.strict,
  {
    files: ['**/*.ts'],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportDefaultDeclaration', message: 'Named exports only.' },
        { selector: 'CallExpression[callee.property.name="getData"]', message: 'Reading a GPU tensor aborts the native runtime: ask for an output on the CPU.' },
        { selector: 'CallExpression[callee.object.name="Math"][callee.property.name="random"]', message: 'Pass a seeded Random in.' },
      ],
      eqeqeq: 'error',
    },
  },
  ...layerRules,
  {
    files: ['src/cli.ts', 'src/modelProcess.ts'],
    rules: { 'no-restricted-imports': ['error', { paths: [nativeModules, vscodeModule], patterns: ['**/editor/**'] }] },
  },
  {
    files: ['webview/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        { paths: [nativeModules, vscodeModule], patterns: [{ regex: '/src/(?!shared/)', message: 'Webviews import src/shared only.' }] },
      ],
    },
  },
  { files: ['test/**/*.ts'], rules: { '@typescript-eslint/no-unused-expressions': 'off' } },
  { files: ['scripts/*.cjs'], rules: { '@typescript-eslint/no-require-imports': 'off' } },
  { files: ['**/*.mjs', '**/*.cjs'], extends: [tseslint.configs.disableTypeChecked] },
);

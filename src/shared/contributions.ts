// Every id that package.json contributes, in one place; a unit test holds the two together.

export const commands = {
  repair: 'gradlens.repair',
  cancel: 'gradlens.cancelRepair',
  apply: 'gradlens.applyRepair',
  showDiff: 'gradlens.showRepairDiff',
  runExamples: 'gradlens.runExamples',
  openPanel: 'gradlens.openRepairPanel',
  providers: 'gradlens.showProviders',
  repl: 'gradlens.openRepl',
  draw: 'gradlens.draw',
  showRuns: 'gradlens.showRepairRuns',
  openTransformer: 'gradlens.openTransformer',
  compile: 'gradlens.compile',
  selectModel: 'gradlens.selectModel',
  showModel: 'gradlens.showModel',
  downloadModel: 'gradlens.downloadModel',
  complete: 'gradlens.complete',
  stopCompletion: 'gradlens.stopCompletion',
  openSample: 'gradlens.openSample',
  openSteering: 'gradlens.openSteering',
  runPlayground: 'gradlens.runPlayground',
  stopPlayground: 'gradlens.stopPlayground',
  makeVector: 'gradlens.makeVector',
  importVector: 'gradlens.importVector',
  cancelVector: 'gradlens.cancelVector',
  attribute: 'gradlens.attribute',
  attributeAnswers: 'gradlens.attributeAnswers',
  stopAttribution: 'gradlens.stopAttribution',
  clearAttribution: 'gradlens.clearAttribution',
  openAttribution: 'gradlens.openAttribution',
} as const;

export const settings = {
  section: 'gradlens',
  timeBudgetSeconds: 'repair.timeBudgetSeconds',
  method: 'repair.method',
  processes: 'repair.processes',
  provider: 'provider',
  inlayValues: 'inlayHints.values',
  model: 'model',
  modelsFolder: 'modelsFolder',
  memoryBudget: 'memoryBudgetGiB',
  maxTokens: 'completion.maxTokens',
  temperature: 'completion.temperature',
  topP: 'completion.topP',
  seed: 'completion.seed',
  attributionMethod: 'attribution.method',
  attributionSteps: 'attribution.steps',
  attributionBaseline: 'attribution.baseline',
} as const;

export const contextKeys = {
  repairing: 'gradlens.repairing',
  hasPatch: 'gradlens.hasPatch',
  completing: 'gradlens.completing',
  attributing: 'gradlens.attributing',
  attributed: 'gradlens.attributed',
} as const;

export const raspLanguage = 'rasp';
export const repairPanel = 'gradlens.repairPanel';
/** The library's text as a document. */
export const libraryScheme = 'gradlens-library';
export const exampleTests = 'gradlens.examples';
export const drawPanel = 'gradlens.drawPanel';
export const transformerPanel = 'gradlens.transformerPanel';
export const modelPanel = 'gradlens.modelPanel';
export const modelStatus = 'gradlens.modelStatus';
export const walkthrough = 'start';
export const attributionPanel = 'gradlens.attributionPanel';
/** Colours of attributed tokens: of lines, and of grounds by strength. */
export const attributionColour = (sign: 'positive' | 'negative', level?: 1 | 2 | 3 | 4): string => `gradlens.attribution${sign === 'positive' ? 'Positive' : 'Negative'}${level === undefined ? '' : `Background${level}`}`;
export const runsPanel = 'gradlens.runsPanel';
export const steeringView = 'gradlens.steering';
export const patchedScheme = 'gradlens-patched';

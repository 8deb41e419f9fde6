// Every id that package.json contributes, in one place; a unit test holds the two together.

export const commands = {
  repair: 'gradlens.repair',
  cancel: 'gradlens.cancelRepair',
  apply: 'gradlens.applyRepair',
  showDiff: 'gradlens.showRepairDiff',
  runExamples: 'gradlens.runExamples',
  openPanel: 'gradlens.openRepairPanel',
  providers: 'gradlens.showProviders',
} as const;

export const settings = {
  section: 'gradlens',
  timeBudgetSeconds: 'repair.timeBudgetSeconds',
  method: 'repair.method',
  processes: 'repair.processes',
  provider: 'provider',
} as const;

export const contextKeys = {
  repairing: 'gradlens.repairing',
  hasPatch: 'gradlens.hasPatch',
} as const;

export const raspLanguage = 'rasp';
export const repairPanel = 'gradlens.repairPanel';
export const patchedScheme = 'gradlens-patched';

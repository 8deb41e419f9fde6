// The composition root: builds the services and registers the features.
import type * as vscode from 'vscode';
import { AttributionFeature } from './editor/attribution/attributionFeature.ts';
import { Checks } from './editor/diagnostics.ts';
import { DrawPanel } from './editor/drawPanel.ts';
import { registerRunExamples } from './editor/exampleCommand.ts';
import { ExampleTests } from './editor/exampleTests.ts';
import { registerLanguage } from './editor/language/register.ts';
import { registerLenses } from './editor/lenses.ts';
import { registerModelExport } from './editor/modelExport.ts';
import { Completion } from './editor/models/completion.ts';
import { LanguageModels } from './editor/models/languageModels.ts';
import { ModelDownloads } from './editor/models/modelDownload.ts';
import { ModelPanel } from './editor/models/modelPanel.ts';
import { registerModelPicker } from './editor/models/modelPicker.ts';
import { ModelStatus } from './editor/models/modelStatus.ts';
import { registerProviders } from './editor/providersCommand.ts';
import { RepairFeature } from './editor/repairFeature.ts';
import { registerRepl } from './editor/repl.ts';
import { RunsPanel } from './editor/runsPanel.ts';
import { registerSamples } from './editor/samplesCommand.ts';
import { createServices } from './editor/services.ts';
import { SteeringView } from './editor/steering/steeringView.ts';
import { TransformerPanel } from './editor/transformerPanel.ts';

/** What the extension gives to those that activate it: the parts that its own tests look at. */
export interface GradLens {
  readonly checks: Checks;
  readonly repairs: RepairFeature;
  readonly tests: ExampleTests;
  readonly drawings: DrawPanel;
  readonly runs: RunsPanel;
  readonly transformers: TransformerPanel;
  readonly models: LanguageModels;
  readonly completions: Completion;
  readonly downloads: ModelDownloads;
  readonly modelPage: ModelPanel;
  readonly modelStatus: ModelStatus;
  readonly steering: SteeringView;
  readonly attributions: AttributionFeature;
}

export function activate(context: vscode.ExtensionContext): GradLens {
  const services = createServices(context);
  const checks = new Checks(services);
  const repairs = new RepairFeature(services, checks);
  const drawings = new DrawPanel(services);
  const runs = new RunsPanel(services, repairs);
  const tests = new ExampleTests(services);
  const transformers = new TransformerPanel(services);
  const models = new LanguageModels(services);
  const completions = new Completion(services, models);
  const downloads = new ModelDownloads(services, models);
  const modelPage = new ModelPanel(services, models);
  const modelStatus = new ModelStatus(models);
  const steering = new SteeringView(services, models);
  const attributions = new AttributionFeature(services, models);
  context.subscriptions.push(checks, repairs, drawings, runs, tests, transformers);
  context.subscriptions.push(models, completions, downloads, modelPage, modelStatus, steering, attributions);
  context.subscriptions.push(
    registerLanguage(services),
    registerLenses(checks),
    registerRunExamples(checks),
    registerRepl(services, drawings),
    registerModelExport(services),
    registerProviders(services),
    registerModelPicker(models),
    registerSamples(services),
  );
  return { checks, repairs, tests, drawings, runs, transformers, models, completions, downloads, modelPage, modelStatus, steering, attributions };
}

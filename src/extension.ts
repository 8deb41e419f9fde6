// The composition root: builds the services and registers the features.
import type * as vscode from 'vscode';
import { Checks } from './editor/diagnostics.ts';
import { registerRunExamples } from './editor/exampleCommand.ts';
import { registerLenses } from './editor/lenses.ts';
import { DrawPanel } from './editor/drawPanel.ts';
import { registerProviders } from './editor/providersCommand.ts';
import { RepairFeature } from './editor/repairFeature.ts';
import { registerRepl } from './editor/repl.ts';
import { RunsPanel } from './editor/runsPanel.ts';
import { createServices } from './editor/services.ts';

/** What the extension gives to those that activate it: the parts that its own tests look at. */
export interface GradLens {
  readonly checks: Checks;
  readonly repairs: RepairFeature;
  readonly drawings: DrawPanel;
  readonly runs: RunsPanel;
}

export function activate(context: vscode.ExtensionContext): GradLens {
  const services = createServices(context);
  const checks = new Checks(services);
  const repairs = new RepairFeature(services, checks);
  const drawings = new DrawPanel(services);
  const runs = new RunsPanel(services, repairs);
  context.subscriptions.push(drawings, runs, registerRepl(services, drawings));
  context.subscriptions.push(checks, repairs, registerLenses(checks), registerRunExamples(checks), registerProviders(services));
  return { checks, repairs, drawings, runs };
}

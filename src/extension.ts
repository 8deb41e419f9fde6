// The composition root: builds the services and registers the features.
import type * as vscode from 'vscode';
import { Checks } from './editor/diagnostics.ts';
import { registerRunExamples } from './editor/exampleCommand.ts';
import { ExampleTests } from './editor/exampleTests.ts';
import { registerLanguage } from './editor/language/register.ts';
import { registerLenses } from './editor/lenses.ts';
import { registerProviders } from './editor/providersCommand.ts';
import { RepairFeature } from './editor/repairFeature.ts';
import { createServices } from './editor/services.ts';

/** What the extension gives to those that activate it: the parts that its own tests look at. */
export interface GradLens {
  readonly checks: Checks;
  readonly repairs: RepairFeature;
  readonly tests: ExampleTests;
}

export function activate(context: vscode.ExtensionContext): GradLens {
  const services = createServices(context);
  const checks = new Checks(services);
  const repairs = new RepairFeature(services, checks);
  context.subscriptions.push(checks, repairs, registerLenses(checks), registerRunExamples(checks), registerProviders(services));
  const tests = new ExampleTests(services);
  context.subscriptions.push(registerLanguage(services), tests);
  return { checks, repairs, tests };
}

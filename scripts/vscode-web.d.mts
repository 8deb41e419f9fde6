// Types of vscode-web.mjs for the end-to-end suite.
import type { Browser } from 'playwright-core';

export interface Server {
  readonly port: number;
  stop(): void;
  url(folder: string): string;
}
export function installCodeServer(): void;
export function installVsix(vsix: string, extensionsDir: string): void;
export function serve(options: {
  dataDir: string;
  extensionsDir: string;
  env?: Readonly<Record<string, string>>;
  extraSettings?: Readonly<Record<string, unknown>>;
  trust?: boolean;
}): Promise<Server>;
export function openBrowser(): Promise<Browser>;

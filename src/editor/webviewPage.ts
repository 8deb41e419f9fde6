// The document of every page of ours: one script and one style sheet from dist/webview, and nothing else may load.
import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';

/** Options of a panel that shows such a page. */
export const pageOptions = (extensionUri: vscode.Uri): vscode.WebviewOptions => ({
  enableScripts: true,
  localResourceRoots: [vscode.Uri.joinPath(extensionUri, 'dist', 'webview')],
});

export interface PageDocument {
  /** The name of the folder under webview/. */
  readonly page: string;
  readonly title: string;
  /** The page makes pictures out of its own data; none is loaded from anywhere. */
  readonly images?: boolean;
}

export function pageHtml(webview: vscode.Webview, extensionUri: vscode.Uri, { page, title, images = false }: PageDocument): string {
  const nonce = randomBytes(16).toString('base64');
  const uri = (name: string): string => webview.asWebviewUri(vscode.Uri.joinPath(extensionUri, 'dist', 'webview', name)).toString();
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src ${webview.cspSource} 'unsafe-inline'; font-src ${webview.cspSource}; script-src 'nonce-${nonce}';${images ? ' img-src data:;' : ''}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="${uri(`${page}.css`)}">
<title>${title}</title>
</head>
<body><main id="app"></main><script nonce="${nonce}" src="${uri(`${page}.js`)}"></script></body>
</html>`;
}

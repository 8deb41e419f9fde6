// The attribution's page: tokens by layers, the picture's patches, and both as a table.
import * as vscode from 'vscode';
import { PagePanel } from '../pagePanel.ts';
import { saveFile } from '../saveFile.ts';
import type { Services } from '../services.ts';
import type { AttributionAction, AttributionExport, AttributionPageState, FromAttributionPage, ToAttributionPage } from '../../shared/attributionMessages.ts';
import { isFromAttributionPage } from '../../shared/attributionMessages.ts';
import { attributionPanel } from '../../shared/contributions.ts';

export interface AttributionPageOwner {
  current(): AttributionPageState;
  act(action: AttributionAction): unknown;
  reveal(token: number): unknown;
}

export class AttributionPanel implements vscode.Disposable {
  private readonly panel: PagePanel<FromAttributionPage>;

  constructor(
    services: Services,
    private readonly owner: AttributionPageOwner,
  ) {
    this.panel = new PagePanel(services.extensionUri, {
      viewType: attributionPanel,
      page: 'attribution',
      title: vscode.l10n.t('GradLens Attribution'),
      images: true,
      isMessage: isFromAttributionPage,
      onMessage: (message) => this.onMessage(message),
      onVisible: () => this.post(),
    });
  }

  get isOpen(): boolean {
    return this.panel.isOpen;
  }

  show(): void {
    this.panel.reveal();
    this.post();
  }

  post(): void {
    const message: ToAttributionPage = { type: 'snapshot', state: this.owner.current() };
    void this.panel.post(message);
  }

  private onMessage(message: FromAttributionPage): unknown {
    switch (message.type) {
      case 'ready':
        return this.post();
      case 'action':
        return this.owner.act(message.action);
      case 'reveal':
        return this.owner.reveal(message.token);
      case 'export':
        return save(message);
    }
  }

  dispose(): void {
    this.panel.dispose();
  }
}

const save = ({ format, content }: AttributionExport): Promise<vscode.Uri | undefined> =>
  saveFile(`attribution.${format}`, { [format.toUpperCase()]: [format] }, format === 'png' ? Buffer.from(content, 'base64') : new TextEncoder().encode(content));

// How a repair's status is called wherever it is shown.
import type { PanelState } from '../../src/shared/messages.ts';

export const statusText: Record<PanelState['status'], string> = {
  idle: 'No repair yet',
  running: 'Repairing',
  repaired: 'Repaired',
  partial: 'Not repaired, but closer',
  unrepairable: 'Not repaired',
  correct: 'Nothing to repair',
  refused: 'Cannot be repaired as it is',
  cancelled: 'Cancelled',
  failed: 'Failed',
};

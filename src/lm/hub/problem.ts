// What can go wrong with a download, as the user is told it, and what is worth another attempt.

export type DownloadProblemCode =
  | 'bad-repository'
  | 'not-found'
  | 'no-access'
  | 'no-model'
  | 'no-variant'
  | 'unsafe-path'
  | 'other-files'
  | 'busy'
  | 'no-space'
  | 'cannot-write'
  | 'unreachable'
  | 'server'
  | 'checksum';

/** Why a model could not be downloaded. The message says what is wrong, where, and what to do. */
export interface DownloadProblem {
  readonly code: DownloadProblemCode;
  readonly message: string;
}

/** Ends a download; `downloadModel` turns it into its result. */
export class DownloadFault extends Error {
  override readonly name = 'DownloadFault';
  constructor(
    readonly code: DownloadProblemCode,
    message: string,
  ) {
    super(message);
  }
}

/** The exchange broke off, and may succeed when it is tried again. */
export class Interruption extends Error {
  override readonly name = 'Interruption';
  constructor(
    message: string,
    /** What it becomes when no attempt is left. */
    readonly code: 'unreachable' | 'server',
    /** The server's wish, milliseconds. */
    readonly retryAfter: number | null = null,
  ) {
    super(message);
  }
}

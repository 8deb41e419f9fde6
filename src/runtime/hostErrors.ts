// What can go wrong between the model host and those who ask it.

/** The host process ended while it was working. The call may be made again: the host restarts by itself. */
export class HostDiedError extends Error {
  override readonly name: string = 'HostDiedError';
}

/** The host process ended before it was ready: something is missing, and another attempt would end likewise. */
export class HostStartError extends HostDiedError {
  override readonly name = 'HostStartError';
}

/** The run needs a cache that a host took with it when it died: what the cache was made from must be run again. */
export class CacheLostError extends HostDiedError {}

/** The runtime refused a model or a run. */
export class RuntimeError extends Error {
  override readonly name = 'RuntimeError';
}

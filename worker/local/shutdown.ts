// Ctrl-C and `kill` end everything that a local command started, in the reverse order of starting.
// A second Ctrl-C does not wait for that.

type Cleanup = () => Promise<void> | void;

const cleanups: Cleanup[] = [];
let ending: Promise<void> | undefined;

/** Runs `cleanup` when the process is asked to end, or when `shutDown` is called. */
export function onShutdown(cleanup: Cleanup): void {
  if (cleanups.push(cleanup) > 1) return;
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.on(signal, () => {
      if (ending !== undefined) process.exit(code);
      void shutDown().then(() => process.exit(code));
    });
  }
}

export function shutDown(): Promise<void> {
  ending ??= (async () => {
    for (const cleanup of cleanups.toReversed()) {
      try {
        await cleanup();
      } catch (error) {
        console.error(error);
      }
    }
  })();
  return ending;
}

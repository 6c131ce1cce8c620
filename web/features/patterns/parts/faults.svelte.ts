// How the User Service fares just now, and making it fare otherwise.
import { client } from '../../../lib/api.ts';
import { poll } from '../../../lib/poll.svelte.ts';
import type { Playground } from '../model/playground.svelte.ts';

const POLL_MS = 3_000;

export type PlayedFaults = ReturnType<typeof createFaults>;

/** Must be called while a component is set up. */
export function createFaults(playground: Playground) {
  const shown = poll(client.users.faults, POLL_MS);
  return {
    get value() {
      return shown.value;
    },
    /** What to do before anything is tried again; empty while it answers. */
    get warning() {
      return (shown.value?.errorRate ?? 0) > 0 ? 'The service still fails: heal it first.' : '';
    },
    async set(latencyMs: number, errorRate: number, why: string): Promise<void> {
      const path = client.users.setFaults.url();
      await playground.do({ method: 'PUT', path, body: { latencyMs, errorRate }, why });
      await shown.refresh();
    },
  };
}

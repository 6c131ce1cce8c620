// Waiting for what an edge comes to, by asking it again and again: for the local commands and the tests.
import { setTimeout as pause } from 'node:timers/promises';
import { type Client, ENDED } from '../../shared/client.ts';
import type { Job, JobState } from '../../shared/schemas/job.ts';

export interface Patience {
  maxMs?: number;
  /** How often to ask; every question is work for the edge that is waited for. */
  pollMs?: number;
}

/** Asks until the answer is as it should be; answers it. */
export async function until<Value>(
  what: string,
  ask: () => Promise<Value>,
  holds: (value: Value) => boolean,
  { maxMs = 120_000, pollMs = 50 }: Patience = {},
): Promise<Value> {
  const deadlineMs = Date.now() + maxMs;
  for (;;) {
    const value = await ask();
    if (holds(value)) return value;
    if (Date.now() > deadlineMs) throw new Error(`waited for ${what}: ${JSON.stringify(value)}`);
    await pause(pollMs);
  }
}

export const waitForVolunteers = (client: Client, count: number, patience?: Patience) =>
  until(
    `${count} volunteers`,
    () => client.swarm.now(),
    ({ volunteers }) => volunteers >= count,
    patience,
  );

/** Waits until the job `holds`; one that ends in another way throws with what it said. */
export const waitUntil = (
  client: Client,
  id: string,
  what: string,
  holds: (job: Job) => boolean,
  patience?: Patience,
): Promise<Job> =>
  until(
    what,
    () => client.jobs.mapReduce(id),
    (job) => {
      if (holds(job)) return true;
      if (!ENDED.has(job.state)) return false;
      const { state, reason, progress, error, counters } = job;
      throw new Error(
        `job ${id}: waited for ${what}, and it is "${state}" (${reason}): ` +
          JSON.stringify({ progress, error, counters }),
      );
    },
    patience,
  );

export const waitFor = (client: Client, id: string, state: JobState, patience?: Patience) =>
  waitUntil(client, id, `state ${state}`, (job) => job.state === state, patience);

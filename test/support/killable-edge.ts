// A local edge of each test's own that can be killed, whatever it is doing, and started again over the same storage and
// port; and waiting for what it comes to.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach } from 'vitest';
import type { EventsPage, StreamEvent } from '../../shared/schemas/stream.ts';
import type { Rest } from '../../worker/local/rest.ts';
import { startTestEdge, type TestEdge } from './edge.ts';

export const POLL_MS = 100;
export const WAIT_MAX_MS = 90_000;

export interface KillableEdge {
  /** Of the edge as it is at the moment. */
  readonly rest: Rest;
  restart(): Promise<void>;
  publish(stream: string, events: unknown[]): Promise<unknown>;
  /** All events of a stream's only partition. */
  eventsOf(stream: string): Promise<StreamEvent[]>;
}

/** To be called where the tests of a file begin. */
export function killableEdge(): KillableEdge {
  let edge: TestEdge;
  let persistDir: string;
  beforeEach(async () => {
    persistDir = await mkdtemp(join(tmpdir(), 'manyhands-killed-'));
    edge = await startTestEdge({ persistDir });
  });
  afterEach(async () => {
    await edge?.stop();
    await rm(persistDir, { recursive: true, force: true });
  });
  return {
    get rest() {
      return edge.rest;
    },
    async restart() {
      const port = Number(new URL(edge.url).port);
      await edge.stop();
      edge = await startTestEdge({ persistDir, port });
    },
    publish: (stream, events) => edge.rest.post(`/api/streams/${stream}/events`, events),
    async eventsOf(stream) {
      const events: StreamEvent[] = [];
      for (;;) {
        const path = `/api/streams/${stream}/events?partition=0&from=${events.length}&limit=1000`;
        const page = await edge.rest.json<EventsPage>(path);
        if (page.events.length === 0) return events;
        events.push(...page.events);
      }
    },
  };
}

/** Asks until the answer is as it should be; answers it. */
export async function until<Value>(
  what: string,
  ask: () => Promise<Value>,
  holds: (value: Value) => boolean,
): Promise<Value> {
  const untilMs = Date.now() + WAIT_MAX_MS;
  for (;;) {
    const value = await ask();
    if (holds(value)) return value;
    if (Date.now() > untilMs) throw new Error(`waited for ${what}: ${JSON.stringify(value)}`);
    await pause(POLL_MS);
  }
}

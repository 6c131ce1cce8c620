// A local edge of each test's own that can be killed, whatever it is doing, and started again over the same storage and
// port; and waiting for what it comes to.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import type { EventInput, StreamEvent } from '../../shared/schemas/stream.ts';
import type { Client } from '../../shared/client.ts';
import { until as untilHolds } from '../../worker/local/waiting.ts';
import type { TestEdge } from './edge.ts';
import { startBundledEdge } from './suite.ts';

export const POLL_MS = 100;
export const WAIT_MAX_MS = 90_000;

export interface KillableEdge {
  /** The same after a restart: a page finds its edge again. */
  readonly url: string;
  /** Of the edge as it is at the moment. */
  readonly client: Client;
  restart(): Promise<void>;
  publish(stream: string, events: EventInput[]): Promise<unknown>;
  /** All events of a stream's only partition. */
  eventsOf(stream: string): Promise<StreamEvent[]>;
}

/** To be called where the tests of a file begin. */
export function killableEdge(): KillableEdge {
  let edge: TestEdge;
  let persistDir: string;
  beforeEach(async () => {
    persistDir = await mkdtemp(join(tmpdir(), 'manyhands-killed-'));
    edge = await startBundledEdge({ persistDir });
  });
  afterEach(async () => {
    await edge?.stop();
    await rm(persistDir, { recursive: true, force: true });
  });
  return {
    get url() {
      return edge.url;
    },
    get client() {
      return edge.client;
    },
    async restart() {
      const port = Number(new URL(edge.url).port);
      await edge.stop();
      edge = await startBundledEdge({ persistDir, port });
    },
    publish: (stream, events) => edge.client.streams.append(stream, events),
    async eventsOf(stream) {
      const events: StreamEvent[] = [];
      for (;;) {
        const place = { partition: 0, from: events.length, limit: 1000 };
        const page = await edge.client.streams.events(stream, place);
        if (page.events.length === 0) return events;
        events.push(...page.events);
      }
    },
  };
}

/** Asks until the answer is as it should be; answers it. */
export const until = <Value>(
  what: string,
  ask: () => Promise<Value>,
  holds: (value: Value) => boolean,
): Promise<Value> => untilHolds(what, ask, holds, { pollMs: POLL_MS, maxMs: WAIT_MAX_MS });

// What every part of the benchmark runs on: a fresh local edge and two Chromium volunteers of one core each.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { startEdge } from '../../worker/local/edge.ts';
import { createClient, type Client } from '../../shared/client.ts';
import { onShutdown } from '../../worker/local/shutdown.ts';
import { openVolunteerPage, startLending } from '../../worker/local/volunteers.ts';
import type { LentBrowser } from '../../worker/local/volunteers.ts';
import { waitForVolunteers } from '../support/jobs.ts';

const VOLUNTEERS = 2;
/** Times are the edge's own; asking often would take from what is measured. */
export const POLL_MS = 500;
/** A page lends all cores but one: told of two, it lends one, on any machine. */
const MACHINE_CORES = 2;

export interface Swarm {
  client: Client;
  volunteers: LentBrowser[];
  /** Until then the pages are open and lend nothing. */
  lend(): Promise<void>;
  /** A fresh process with the same storage at the same address; the volunteers find it again. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export async function openSwarm(browser: Browser): Promise<Swarm> {
  const persistDir = await mkdtemp(join(tmpdir(), 'manyhands-bench-'));
  let edge = await startEdge({ quiet: true, persistDir });
  const client = createClient(edge.url);
  const volunteers = await Promise.all(
    Array.from({ length: VOLUNTEERS }, () => openVolunteerPage(browser, edge.url, MACHINE_CORES)),
  );
  let stopped: Promise<void> | undefined;
  const stop = () =>
    (stopped ??= (async () => {
      await Promise.all(volunteers.map(({ context }) => context.close()));
      await edge.stop();
      await rm(persistDir, { recursive: true, force: true });
    })());
  onShutdown(stop);
  const lend = async () => {
    await Promise.all(volunteers.map(startLending));
    await waitForVolunteers(client, VOLUNTEERS);
  };
  const restart = async () => {
    const port = Number(new URL(edge.url).port);
    await edge.stop();
    edge = await startEdge({ quiet: true, persistDir, port });
  };
  return { client, volunteers, lend, restart, stop };
}

// Peer (a), the ceiling of any mapper: the volunteers' own pages fetch splits of the dataset by their leases,
// the very route that the job's mappers read, and throw the bytes away.
import type { Page } from 'playwright-core';
import type { LobbyMessage } from '../../shared/protocol.ts';
import { PROTOCOL_VERSION } from '../../shared/protocol.ts';
import { SLOTS_MAX } from '../../shared/limits.ts';
import type { Client } from '../../shared/client.ts';

const LEASES_MAX_MS = 30_000;
/** Downloads that a page has in flight: one waits while another is read. */
const IN_FLIGHT = 2;

/**
 * Leases of `count` splits of a job over `dataset`, taken by a volunteer that computes nothing: at most half of
 * all splits, which is the most that one volunteer may hold. Leases are capabilities: they stay good for the
 * data routes after the job is cancelled. To be called before anybody else lends.
 */
export async function leaseSplits(
  client: Client,
  dataset: string,
  count: number,
): Promise<string[]> {
  const { id } = await client.jobs.submit({
    kind: 'mapreduce',
    input: { dataset },
    code: 'export function map() {}',
    mappers: 'volunteers',
  });
  const socket = new WebSocket(
    `${client.swarm.socket.url().replace('http', 'ws')}?id=${VOLUNTEER}`,
  );
  try {
    const leases = new Set<string>();
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`got ${leases.size} of ${count} leases`)),
        LEASES_MAX_MS,
      );
      socket.onerror = () => reject(new Error('the lobby closed the socket'));
      socket.onopen = () => socket.send(JSON.stringify(HELLO));
      socket.onmessage = ({ data }) => {
        const message = JSON.parse(String(data)) as LobbyMessage;
        if (message.type === 'refused') reject(new Error(message.message));
        if (message.type !== 'grant') return;
        for (const grant of message.grants) leases.add(grant.lease);
        if (leases.size < count) return;
        clearTimeout(timer);
        resolve();
      };
    });
    return [...leases].slice(0, count);
  } finally {
    await client.jobs.cancel(id);
    socket.close();
  }
}

const VOLUNTEER = 'benchmark-downloads';
const HELLO = {
  type: 'hello',
  protocol: PROTOCOL_VERSION,
  volunteer: VOLUNTEER,
  secret: 'only-for-this-benchmark',
  name: 'downloads',
  cores: 1,
  slots: SLOTS_MAX,
};

/** Bytes that came. Each page takes the next lease when it is done with one. */
export async function download(pages: Page[], leases: string[]): Promise<number> {
  const shares = pages.map((_, index) => leases.filter((__, n) => n % pages.length === index));
  const sizes = await Promise.all(
    pages.map((page, index) =>
      page.evaluate(
        async ({ mine, inFlight }) => {
          let bytes = 0;
          const pull = async () => {
            for (let lease = mine.pop(); lease !== undefined; lease = mine.pop()) {
              const path = `/api/leases/${encodeURIComponent(lease)}/input`;
              const response = await fetch(path, { cache: 'no-store' });
              if (!response.ok) throw new Error(`${path}: ${response.status}`);
              const { byteLength } = await response.arrayBuffer();
              bytes += byteLength;
            }
          };
          await Promise.all(Array.from({ length: inFlight }, pull));
          return bytes;
        },
        { mine: shares[index] ?? [], inFlight: IN_FLIGHT },
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

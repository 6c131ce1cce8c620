// Streams for tests inside workerd: made and filled through the same doors that the routes use.
import { env } from 'cloudflare:test';
import { appendEvents } from '../../worker/log/append.edge.ts';
import { parseEventBody } from '../../worker/log/events.ts';
import type { StreamDefinition } from '../../worker/contracts/names.ts';
import { configureStream } from '../../worker/log/streams.edge.ts';
import { catalog } from '../../worker/stubs.ts';

export async function newStream(name: string, partitions: number): Promise<StreamDefinition> {
  const put = await catalog(env).putStream(name, { partitions });
  if (put.kind === 'fixedPartitions') throw new Error(`${name} has ${put.partitions} partitions`);
  await configureStream(env, put.definition);
  return put.definition;
}

/** Events { n } with the keys k0, k1, … in turn. */
export async function appendNumbers(
  stream: StreamDefinition,
  from: number,
  to: number,
  keys = 10,
  filling = '',
): Promise<void> {
  const events = Array.from({ length: to - from }, (_, i) => ({
    type: 'Number',
    key: `k${(from + i) % keys}`,
    payload: { n: from + i, ...(filling !== '' && { filling }) },
  }));
  await appendEvents(env, stream, parseEventBody(events));
}

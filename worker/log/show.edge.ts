// A stream as it is shown: what its partitions say of themselves, and how far its readers are.
import { CONNECTIONS_MAX, STREAMS_PAGE_PARTITIONS } from '../../shared/limits.ts';
import { addTo } from '../../shared/own.ts';
import { usd } from '../../shared/pricing.ts';
import type { List } from '../../shared/schemas/common.ts';
import type { PartitionStatus, Stream, StreamConsumer } from '../../shared/schemas/stream.ts';
import type { Env } from '../platform/env.ts';
import { catalog, logObject, processorObject } from '../stubs.ts';
import { sideBySide } from '../platform/side-by-side.ts';
import type { LogStatus } from '../contracts/log.rpc.ts';
import { partitionsOf, type StreamDefinition } from '../contracts/names.ts';

export async function shownStream(env: Env, stream: StreamDefinition): Promise<Stream> {
  const statuses = await sideBySide(partitionsOf(stream), CONNECTIONS_MAX, async (ref) => {
    const { partition } = ref;
    return (await logObject(env, ref).status()) ?? emptyStatus(partition);
  });
  const sum = (of: (status: LogStatus) => number) =>
    statuses.reduce((total, status) => total + of(status), 0);
  const operations: Record<string, number> = {};
  for (const status of statuses) {
    for (const [operation, count] of Object.entries(status.operations)) {
      addTo(operations, operation, count);
    }
  }
  return {
    name: stream.name,
    claimCheckBytes: stream.claimCheckBytes,
    retention: { hours: stream.retentionHours },
    partitionMaxBytes: stream.partitionMaxBytes,
    createdAt: stream.createdAt,
    partitions: statuses.map(shownPartition),
    consumers: await consumersOf(env, stream, statuses),
    claims: { events: sum(({ claimEvents }) => claimEvents), bytes: sum((s) => s.claimBytes) },
    duplicates: sum(({ duplicates }) => duplicates),
    cost: { operations, usd: usd(operations) },
  };
}

/** A page ends early when its streams have many partitions: each is a call. */
export async function shownStreams(
  env: Env,
  cursor: string | undefined,
  limit: number,
): Promise<List<Stream>> {
  const { items, next } = await catalog(env).streams(cursor, limit);
  const shown: Stream[] = [];
  let partitions = 0;
  for (const stream of items) {
    partitions += stream.partitions;
    const before = shown.at(-1);
    if (before && partitions > STREAMS_PAGE_PARTITIONS) return { items: shown, next: before.name };
    shown.push(await shownStream(env, stream));
  }
  return { items: shown, next };
}

const shownPartition = (status: LogStatus): PartitionStatus => ({
  partition: status.partition,
  first: status.first,
  next: status.next,
  bytes: status.bytes,
  segments: status.segments,
  ...(status.sealed === undefined ? {} : { sealed: status.sealed }),
});

/** A processor that does not answer is left out: a stream can be looked at whatever its readers do. */
async function consumersOf(
  env: Env,
  stream: StreamDefinition,
  statuses: readonly LogStatus[],
): Promise<StreamConsumer[]> {
  const readers = await catalog(env).readersOf(stream.name);
  const consumers = await sideBySide(readers, CONNECTIONS_MAX, async ({ name, uid }) => {
    try {
      const places = await processorObject(env, uid).committed(stream.uid);
      return places.map(({ partition, committed }) => {
        const end = statuses[partition]?.next ?? 0;
        return { processor: name, partition, committed, lag: Math.max(0, end - committed) };
      });
    } catch {
      return [];
    }
  });
  return consumers.flat();
}

/** Of a partition that is not there yet: its stream was made a moment ago. */
const emptyStatus = (partition: number): LogStatus => ({
  partition,
  first: 0,
  next: 0,
  bytes: 0,
  segments: 0,
  claimEvents: 0,
  claimBytes: 0,
  duplicates: 0,
  operations: {},
});

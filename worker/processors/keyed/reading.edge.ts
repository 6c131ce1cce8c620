// What can be read of a keyed processor: its shards are asked from the Worker, and the ProcessorObject only where they
// are. Every answer about one key says how far each partition had been applied when it was read.
import {
  CONNECTIONS_MAX,
  READ_MAX_BYTES,
  STATE_MERGE_ITEMS,
  STATE_PAGE_ASKS,
  STATE_PAGE_BYTES,
} from '../../../shared/limits.ts';
import { partitionOf } from '../../../shared/mapreduce/hash.ts';
import type { List } from '../../../shared/schemas/common.ts';
import type {
  AppliedOffset,
  KeyedState,
  LateEvent,
  OpenEventWindow,
  ProcessorKind,
  StateEntry,
  WaitingKey,
} from '../../../shared/schemas/processor.ts';
import type { Env } from '../../platform/env.ts';
import {
  joinObject,
  catalog,
  consumerObject,
  logObject,
  windowObject,
  processorObject,
  shardObject,
  stateObject,
} from '../../stubs.ts';
import { notFound, ProblemError } from '../../platform/problem.ts';
import { sideBySide } from '../../platform/side-by-side.ts';
import type { KeyedPlaces } from '../../contracts/processor.rpc.ts';
import { KEYED_READS, type KeyedRead } from '../definition/kind-entry.ts';
import { keyedOf, kindOf, kindsThatAnswer } from '../definition/kinds.ts';
import { mergedPage } from './merged-page.ts';
import type { ShardPage, ShardRef } from '../../contracts/shard.rpc.ts';

export interface PageOf {
  cursor?: string | undefined;
  limit: number;
}

/** Where what it keeps lies. Throws `not_found`; `conflict` when its kind has no answer to this question. */
export async function keyedPlaces(env: Env, name: string, read: KeyedRead): Promise<KeyedPlaces> {
  const entry = await catalog(env).processor(name);
  if (!entry) throw notFound(`processor ${name}`);
  const kind = entry.kind as ProcessorKind;
  const kinds = kindsThatAnswer(read);
  if (!kinds.includes(kind)) {
    const detail = `${name} is of the kind ${kind}, and ${KEYED_READS[read]} are of the kind ${kinds.join(' or ')}: ${kindOf(kind).kept}`;
    throw new ProblemError('conflict', detail);
  }
  const places = await processorObject(env, entry.uid).keyed();
  if (places === null || places === 'conflict') throw notFound(`processor ${name}`);
  return places;
}

/** What lies under one key, and how fresh that is. Null: the places are out of date, a rebuilt version has taken over. */
export async function keyedState(
  env: Env,
  places: KeyedPlaces,
  key: string,
): Promise<KeyedState | null> {
  const shard = partitionOf(key, places.shards.length);
  const ref = places.shards[shard] as ShardRef;
  // Offsets first: what is read after them holds at least that much.
  const applied = await appliedOffsets(env, places, ref);
  if (!applied) return null;
  const [kept, ends] = await Promise.all([
    keyedOf(places.kind).read(shardObject(env, places.kind, ref), key),
    sideBySide(places.consumers, CONNECTIONS_MAX - 1, ({ source }) =>
      logObject(env, source).resolve('latest'),
    ),
  ]);
  const asOf = places.consumers.map(({ source }, place): AppliedOffset => {
    const offset = applied[place] ?? 0;
    const { stream, partition } = source;
    return { stream, partition, offset, end: Math.max(offset, ends[place] ?? 0) };
  });
  return { key, shard, version: places.version, ...kept, asOf };
}

/** By source: what lies before was applied in this shard, or is not this shard's. Null: it was forgotten. */
async function appliedOffsets(
  env: Env,
  { kind, consumers }: KeyedPlaces,
  ref: ShardRef,
): Promise<number[] | null> {
  const [status, committed] = await Promise.all([
    shardObject(env, kind, ref).status(),
    sideBySide(consumers, CONNECTIONS_MAX - 1, (consumer) =>
      consumerObject(env, consumer).committed(),
    ),
  ]);
  return status && committed.map((offset, place) => Math.max(offset, status.applied[place] ?? 0));
}

/** In order of the keys. States that are large are null here: they are read one by one, or in the export. */
export function states(
  env: Env,
  { shards }: KeyedPlaces,
  prefix: string,
  page: PageOf,
): Promise<List<StateEntry>> {
  const ask = (ref: ShardRef, after: string | null, limit: number) =>
    stateObject(env, ref).states(after, prefix, limit, false);
  return merged(shards, page, ask, ({ state, bytes }) => (state === null ? 0 : bytes));
}

/** The longest waiting first. */
export function waiting(
  env: Env,
  { shards }: KeyedPlaces,
  missing: string | null,
  page: PageOf,
): Promise<List<WaitingKey>> {
  const ask = (ref: ShardRef, after: string | null, limit: number) =>
    joinObject(env, ref).waiting(after, missing, limit);
  return merged(shards, page, ask, () => 0);
}

/** Those that close first come first. */
export function openWindows(
  env: Env,
  { shards }: KeyedPlaces,
  page: PageOf,
): Promise<List<OpenEventWindow>> {
  const ask = (ref: ShardRef, after: string | null, limit: number) =>
    windowObject(env, ref).windows(after, limit);
  return merged(shards, page, ask, ({ state, bytes }) => (state === undefined ? 0 : bytes));
}

function merged<Item>(
  shards: readonly ShardRef[],
  { cursor, limit }: PageOf,
  ask: (ref: ShardRef, after: string | null, limit: number) => Promise<ShardPage<Item>>,
  bytesOf: (item: Item) => number,
): Promise<List<Item>> {
  return mergedPage({
    shards: shards.length,
    ask: (shard, after, some) => ask(shards[shard] as ShardRef, after, some),
    cursor: cursor ?? null,
    limit,
    heldItems: STATE_MERGE_ITEMS,
    maxBytes: STATE_PAGE_BYTES,
    bytesOf,
    maxAsks: STATE_PAGE_ASKS,
    connections: CONNECTIONS_MAX,
  });
}

/** The newest first. */
export async function lateEvents(
  env: Env,
  { kind, shards }: KeyedPlaces,
  limit: number,
): Promise<LateEvent[]> {
  let newest: LateEvent[] = [];
  await sideBySide(shards, CONNECTIONS_MAX, async (ref) => {
    const some = await shardObject(env, kind, ref).late(limit);
    // Cut at once: what all shards together keep would not fit.
    newest = newestOf([...newest, ...some], limit);
  });
  return newest;
}

function newestOf(events: LateEvent[], limit: number): LateEvent[] {
  const inOrder = events.toSorted((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : 0));
  const shown = inOrder.slice(0, limit);
  let bytes = 0;
  const end = shown.findIndex(({ event }) => {
    bytes += JSON.stringify(event).length;
    return bytes > READ_MAX_BYTES;
  });
  return end < 1 ? shown.slice(0, end === 0 ? 1 : limit) : shown.slice(0, end);
}

/** Every state as a line of NDJSON, as it is when it is read, shard by shard; one page of one shard is held at a time. */
export function stateExport(
  env: Env,
  { shards }: KeyedPlaces,
  prefix: string,
): ReadableStream<Uint8Array> {
  const lines = exportLines(env, shards, prefix);
  const encoder = new TextEncoder();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { value, done } = await lines.next();
        if (done) controller.close();
        else controller.enqueue(encoder.encode(value));
      },
      async cancel() {
        await lines.return(undefined);
      },
    },
    { highWaterMark: 0 },
  );
}

const EXPORT_PAGE_ITEMS = 1_000;

async function* exportLines(
  env: Env,
  shards: readonly ShardRef[],
  prefix: string,
): AsyncGenerator<string, undefined> {
  for (const ref of shards) {
    for (let after: string | null = null, more = true; more;) {
      const page: ShardPage<StateEntry> = await stateObject(env, ref).states(
        after,
        prefix,
        EXPORT_PAGE_ITEMS,
        true,
      );
      const end = page.after ?? page.items.at(-1)?.order;
      more = page.more && end !== undefined;
      after = end === undefined ? null : String(end);
      if (page.items.length > 0) {
        yield page.items.map(({ item }) => `${JSON.stringify(item)}\n`).join('');
      }
    }
  }
  return undefined;
}

// Keyed processors through the REST API, as tests define, feed and read them.
import { env, runInDurableObject } from 'cloudflare:test';
import { expect } from 'vitest';
import type { List } from '../../shared/schemas/common.ts';
import type {
  DeadLetter,
  KeyedState,
  Processor,
  ProcessorSpecInput,
} from '../../shared/schemas/processor.ts';
import type { Problem } from '../../shared/schemas/problem.ts';
import type { EventInput, EventsPage, StreamEvent } from '../../shared/schemas/stream.ts';
import { type KeyedKind, type ShardRef, shardName } from '../../worker/contracts/shard.rpc.ts';
import { catalog, processorObject } from '../../worker/stubs.ts';
import type { KeyedPlaces } from '../../worker/contracts/processor.rpc.ts';
import { call, postJson, problemOf } from './rest.ts';

export const SOON = { timeout: 20_000, interval: 30 };
export const PARTITIONS = 2;

export const putJson = (path: string, body: unknown) =>
  call(path, {
    method: 'PUT',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  });

export async function stream(
  name: string,
  partitions = PARTITIONS,
  more: { partitionMaxBytes?: number } = {},
): Promise<void> {
  const response = await putJson(`/streams/${name}`, { partitions, ...more });
  if (!response.ok) throw new Error(await response.text());
}

export const streams = async (...names: string[]) => {
  for (const name of names) await stream(name);
};

export type KeyedInput = Extract<ProcessorSpecInput, { kind: KeyedKind }>;

export async function processor(name: string, spec: KeyedInput): Promise<Processor> {
  const response = await putJson(`/processors/${name}`, spec);
  if (!response.ok) throw new Error(await response.text());
  return response.json();
}

/** The problem of a definition that is refused. */
export async function refusal(name: string, spec: unknown): Promise<Problem> {
  return problemOf(await putJson(`/processors/${name}`, spec));
}

export const shown = async (name: string): Promise<Processor> =>
  (await call(`/processors/${name}`)).json();

export async function act(name: string, verb: string, body?: unknown): Promise<Processor> {
  const path = `/processors/${name}/${verb}`;
  const response = await (body === undefined
    ? call(path, { method: 'POST' })
    : postJson(path, body));
  if (!response.ok) throw new Error(await response.text());
  return response.json();
}

export async function publish(name: string, events: EventInput[]): Promise<void> {
  const response = await postJson(`/streams/${name}/events`, events);
  if (response.status !== 202) throw new Error(await response.text());
}

/** All events of a stream, partition after partition. */
export async function readAll(name: string, partitions = PARTITIONS): Promise<StreamEvent[]> {
  const pages = Array.from({ length: partitions }, async (_, partition) => {
    const path = `/streams/${name}/events?partition=${partition}&limit=1000`;
    return ((await (await call(path)).json()) as EventsPage).events;
  });
  return (await Promise.all(pages)).flat();
}

export const payloads = async <Payload>(name: string): Promise<Payload[]> =>
  (await readAll(name)).map(({ payload }) => payload as Payload);

export async function get<Answer>(path: string): Promise<Answer> {
  const response = await call(path);
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return response.json();
}

export const state = (name: string, key: string): Promise<KeyedState> =>
  get(`/processors/${name}/state/${encodeURIComponent(key)}`);

export const deadLetters = async (name: string): Promise<DeadLetter[]> =>
  (await get<List<DeadLetter>>(`/processors/${name}/dead-letters?limit=500`)).items;

const lagOf = ({ lag }: Pick<Processor, 'lag'>) => lag.reduce((sum, one) => sum + one.lag, 0);

/** Everything published so far is committed. */
export const caughtUp = (name: string) =>
  expect.poll(async () => lagOf(await shown(name)), SOON).toBe(0);

const NAMESPACES = { stateful: 'STATES', join: 'JOINS', window: 'WINDOWS' } as const;

/** Rows in all tables of a shard; migrations and timers do not count. */
export async function rowsOf(kind: KeyedKind, ref: ShardRef): Promise<number> {
  const namespace: DurableObjectNamespace = env[NAMESPACES[kind]];
  const stub = namespace.get(namespace.idFromName(shardName(ref)));
  return runInDurableObject(stub, (_, { storage }) => {
    const tables = [
      ...storage.sql.exec<{ name: string }>(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite%'",
      ),
    ].map(({ name }) => name);
    return tables
      .filter((name) => !/migration|timer/i.test(name))
      .reduce((sum, name) => {
        const { n } = storage.sql.exec<{ n: number }>(`SELECT count(*) AS n FROM "${name}"`).one();
        return sum + n;
      }, 0);
  });
}

/** Where the state of a processor lies. */
export async function placesOf(name: string): Promise<KeyedPlaces> {
  const entry = await catalog(env).processor(name);
  const places = entry && (await processorObject(env, entry.uid).keyed());
  if (!places || places === 'conflict') throw new Error(`${name} is not keyed`);
  return places;
}

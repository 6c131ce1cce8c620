// Typed stubs of the Durable Objects. One room calls another's object through these, never its code.
import { LOBBY_SHARDS } from '../../shared/limits.ts';
import type { Env } from './env.ts';

type Bindings = Pick<Env, 'JOBS' | 'LOBBY' | 'CATALOG'>;

export const jobObject = (env: Bindings, job: string) => env.JOBS.get(env.JOBS.idFromName(job));

/** One catalog: what exists. Its request rate is per job and dataset, not per task. */
export const catalog = (env: Bindings) => env.CATALOG.get(env.CATALOG.idFromName('catalog'));

const shardNames = Array.from({ length: LOBBY_SHARDS }, (_, shard) => `lobby-${shard}`);

export const lobbyByName = (env: Bindings, name: string) =>
  env.LOBBY.get(env.LOBBY.idFromName(name));

export const lobbies = (env: Bindings) => shardNames.map((name) => lobbyByName(env, name));

/** The shard of a volunteer: by its id, so that a reconnecting one comes back to where it was. */
export function lobbyNameOf(volunteer: string): string {
  let hash = 0;
  for (let i = 0; i < volunteer.length; i++)
    hash = (Math.imul(hash, 31) + volunteer.charCodeAt(i)) >>> 0;
  return shardNames[hash % shardNames.length] as string;
}

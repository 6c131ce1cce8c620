// Typed stubs of the Durable Objects. One room calls another's object through these, never its code. The
// interfaces stand for the platform's own stub types, whose mapping of recursive JSON types never ends.
import { LOBBY_SHARDS } from '../../shared/limits.ts';
import type { CatalogRpc } from '../catalog/catalog.rpc.ts';
import type { JobRpc } from '../mapreduce/job.rpc.ts';
import type { LobbyRpc } from '../volunteers/lobby.rpc.ts';
import type { Env } from './env.ts';

type Bindings = Pick<Env, 'JOBS' | 'LOBBY' | 'CATALOG'>;

export const jobObject = (env: Bindings, job: string): JobRpc =>
  env.JOBS.get(env.JOBS.idFromName(job)) as unknown as JobRpc;

/** One catalog: what exists. Its request rate is per job and dataset, not per task. */
export const catalog = (env: Bindings): CatalogRpc =>
  env.CATALOG.get(env.CATALOG.idFromName('catalog')) as unknown as CatalogRpc;

const shardNames = Array.from({ length: LOBBY_SHARDS }, (_, shard) => `lobby-${shard}`);

export const lobbyByName = (env: Bindings, name: string): LobbyRpc =>
  env.LOBBY.get(env.LOBBY.idFromName(name)) as unknown as LobbyRpc;

export const lobbies = (env: Bindings): LobbyRpc[] =>
  shardNames.map((name) => lobbyByName(env, name));

/** The shard of a volunteer: by its id, so that a reconnecting one comes back to where it was. */
export function lobbyNameOf(volunteer: string): string {
  let hash = 0;
  for (let i = 0; i < volunteer.length; i++) {
    hash = (Math.imul(hash, 31) + volunteer.charCodeAt(i)) >>> 0;
  }
  return shardNames[hash % shardNames.length] as string;
}

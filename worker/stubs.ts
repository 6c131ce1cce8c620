// Typed stubs of the Durable Objects. One room calls another's object through these, never its code. The
// interfaces stand for the platform's own stub types, whose mapping of recursive JSON types never ends.
import { CLAIM_SHARDS, LOBBY_SHARDS } from '../shared/limits.ts';
import { hashKey } from '../shared/mapreduce/hash.ts';
import type { BatchRpc } from './contracts/batch.rpc.ts';
import type { CatalogRpc } from './contracts/catalog.rpc.ts';
import type { ClaimRpc } from './contracts/claim.rpc.ts';
import type { RunRpc } from './contracts/run.rpc.ts';
import type { JoinRpc } from './contracts/join.rpc.ts';
import type { ScheduleRpc } from './contracts/schedule.rpc.ts';
import type { JobRpc } from './contracts/job.rpc.ts';
import type { UserServiceRpc } from './contracts/user-service.rpc.ts';
import { type ShardRef, shardName, type KeyedKind } from './contracts/shard.rpc.ts';
import type { StateRpc } from './contracts/state.rpc.ts';
import type { ConsumerRpc } from './contracts/consumer.rpc.ts';
import type { LogRpc } from './contracts/log.rpc.ts';
import { type ConsumerRef, consumerName, logName, type PartitionRef } from './contracts/names.ts';
import type { ProcessorRpc } from './contracts/processor.rpc.ts';
import type { LobbyRpc } from './contracts/lobby.rpc.ts';
import type { WindowRpc } from './contracts/window.rpc.ts';
import type { ShardRpcs } from './contracts/shard-kinds.rpc.ts';
import type { Env } from './platform/env.ts';
import { isRunId } from './platform/ids.ts';
import { notFound } from './platform/problem.ts';

type Bindings = Pick<
  Env,
  | 'JOBS'
  | 'LOBBY'
  | 'CATALOG'
  | 'LOGS'
  | 'CONSUMERS'
  | 'PROCESSORS'
  | 'BATCHES'
  | 'CLAIMS'
  | 'SCHEDULES'
  | 'USERS'
  | 'STATES'
  | 'JOINS'
  | 'WINDOWS'
  | 'RUNS'
>;

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

const stub = <Rpc>(namespace: DurableObjectNamespace, name: string): Rpc =>
  namespace.get(namespace.idFromName(name)) as unknown as Rpc;

export const logObject = (env: Bindings, ref: Pick<PartitionRef, 'uid' | 'partition'>): LogRpc =>
  stub(env.LOGS as unknown as DurableObjectNamespace, logName(ref));

export const consumerObject = (env: Bindings, ref: ConsumerRef): ConsumerRpc =>
  stub(env.CONSUMERS as unknown as DurableObjectNamespace, consumerName(ref));

/** By the processor's unique id. */
export const processorObject = (env: Bindings, uid: string): ProcessorRpc =>
  stub(env.PROCESSORS as unknown as DurableObjectNamespace, uid);

/** By `batchName`. */
export const batchObject = (env: Bindings, name: string): BatchRpc =>
  stub(env.BATCHES as unknown as DurableObjectNamespace, name);

/** The shard that knows a claim. */
export const claimObject = (env: Bindings, token: string): ClaimRpc =>
  claimShard(env, claimShardOf(token));
export const claimShardOf = (token: string): number => hashKey(token) % CLAIM_SHARDS;
export const claimShard = (env: Bindings, shard: number): ClaimRpc =>
  stub(env.CLAIMS as unknown as DurableObjectNamespace, `claims-${shard}`);

/** By the schedule's unique id. */
export const scheduleObject = (env: Bindings, uid: string): ScheduleRpc =>
  stub(env.SCHEDULES as unknown as DurableObjectNamespace, uid);

export const stateObject = (env: Bindings, ref: ShardRef): StateRpc =>
  stub(env.STATES as unknown as DurableObjectNamespace, shardName(ref));
export const joinObject = (env: Bindings, ref: ShardRef): JoinRpc =>
  stub(env.JOINS as unknown as DurableObjectNamespace, shardName(ref));
export const windowObject = (env: Bindings, ref: ShardRef): WindowRpc =>
  stub(env.WINDOWS as unknown as DurableObjectNamespace, shardName(ref));

const SHARD_OBJECTS: { [Kind in KeyedKind]: (env: Bindings, ref: ShardRef) => ShardRpcs[Kind] } = {
  stateful: stateObject,
  join: joinObject,
  window: windowObject,
};

/** A shard of whatever kind. */
export const shardObject = <Kind extends KeyedKind>(
  env: Bindings,
  kind: Kind,
  ref: ShardRef,
): ShardRpcs[Kind] => SHARD_OBJECTS[kind](env, ref);

/** One run of a DAG job, by the job's id. */
export const runObject = (env: Bindings, job: string): RunRpc =>
  stub(env.RUNS as unknown as DurableObjectNamespace, job);

/** The object of a job of either kind: the id says which. */
export const anyJob = (env: Bindings, job: string): JobRpc | RunRpc =>
  isRunId(job) ? runObject(env, job) : jobObject(env, job);

/** For what only MapReduce jobs have (`what`). Throws `not_found` for a job of another kind. */
export function mapReduceJob(env: Bindings, job: string, what: string): JobRpc {
  if (isRunId(job)) throw notFound(`${what} of ${job}: it is a DAG job, which has steps`);
  return jobObject(env, job);
}

/** For what only DAG jobs have. Throws `not_found` likewise. */
export function dagJob(env: Bindings, job: string): RunRpc {
  if (!isRunId(job)) throw notFound(`DAG job ${job}`);
  return runObject(env, job);
}

export const userService = (env: Bindings): UserServiceRpc =>
  stub(env.USERS as unknown as DurableObjectNamespace, 'users');

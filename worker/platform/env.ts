// The bindings of wrangler.toml, typed. `export type` only: nothing here runs.
import type { BatchObject } from '../processors/batch/batch.object.ts';
import type { CatalogObject } from '../catalog/catalog.object.ts';
import type { ClaimObject } from '../claim-check/claim.object.ts';
import type { JoinObject } from '../processors/join/join.object.ts';
import type { RunObject } from '../jobs/dag/run.object.ts';
import type { ScheduleObject } from '../schedules/schedule.object.ts';
import type { JobObject } from '../jobs/mapreduce/job.object.ts';
import type { UserServiceObject } from '../demo-services/users.object.ts';
import type { StateObject } from '../processors/state/state.object.ts';
import type { ConsumerObject } from '../processors/consumer/consumer.object.ts';
import type { LogObject } from '../log/partition/log.object.ts';
import type { ProcessorObject } from '../processors/definition/processor.object.ts';
import type { LobbyObject } from '../volunteers/lobby.object.ts';
import type { WindowObject } from '../processors/window/window.object.ts';
import type { MapWakeUp, ReduceWakeUp, StreamWakeUp } from '../contracts/wake-ups.ts';

export type { MapWakeUp, ReduceWakeUp, StreamWakeUp };

export interface Env {
  JOBS: DurableObjectNamespace<JobObject>;
  LOBBY: DurableObjectNamespace<LobbyObject>;
  CATALOG: DurableObjectNamespace<CatalogObject>;
  LOGS: DurableObjectNamespace<LogObject>;
  CONSUMERS: DurableObjectNamespace<ConsumerObject>;
  PROCESSORS: DurableObjectNamespace<ProcessorObject>;
  BATCHES: DurableObjectNamespace<BatchObject>;
  CLAIMS: DurableObjectNamespace<ClaimObject>;
  SCHEDULES: DurableObjectNamespace<ScheduleObject>;
  USERS: DurableObjectNamespace<UserServiceObject>;
  STATES: DurableObjectNamespace<StateObject>;
  JOINS: DurableObjectNamespace<JoinObject>;
  WINDOWS: DurableObjectNamespace<WindowObject>;
  RUNS: DurableObjectNamespace<RunObject>;
  BUCKET: R2Bucket;
  MAP_QUEUE: Queue<MapWakeUp>;
  REDUCE_QUEUE: Queue<ReduceWakeUp>;
  STREAM_QUEUE: Queue<StreamWakeUp>;
  LOADER: WorkerLoader;
  ASSETS: Fetcher;
  /** Secret: comma-separated bearer tokens. Unset: loopback hosts only. */
  API_TOKENS?: string;
  /** "1" on a person's own machine (.dev.vars): the runtime there has no CPU limit, so code gets a loop guard. */
  LOCAL?: string;
}

/** What Hono is told of the bindings. */
export interface AppEnv {
  Bindings: Env;
}

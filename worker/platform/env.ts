// The bindings of wrangler.toml, typed. `export type` only: nothing here runs.
import type { WindowObject } from '../processors/batch/batch.object.ts';
import type { CatalogObject } from '../catalog/catalog.object.ts';
import type { ClaimObject } from '../claim-check/claim.object.ts';
import type { BufferObject } from '../processors/join/join.object.ts';
import type { RunObject } from '../jobs/dag/run.object.ts';
import type { ScheduleObject } from '../schedules/schedule.object.ts';
import type { JobObject } from '../jobs/mapreduce/job.object.ts';
import type { UserServiceObject } from '../demo-services/users.object.ts';
import type { StoreObject } from '../processors/state/state.object.ts';
import type { ConsumerObject } from '../processors/consumer/consumer.object.ts';
import type { LogObject } from '../log/partition/log.object.ts';
import type { ProcessorObject } from '../processors/definition/processor.object.ts';
import type { LobbyObject } from '../volunteers/lobby.object.ts';
import type { PaneObject } from '../processors/window/window.object.ts';
import type { MapBell, ReduceBell, StreamBell } from '../contracts/wake-ups.ts';

export type { MapBell, ReduceBell, StreamBell };

export interface Env {
  JOBS: DurableObjectNamespace<JobObject>;
  LOBBY: DurableObjectNamespace<LobbyObject>;
  CATALOG: DurableObjectNamespace<CatalogObject>;
  LOGS: DurableObjectNamespace<LogObject>;
  CONSUMERS: DurableObjectNamespace<ConsumerObject>;
  PROCESSORS: DurableObjectNamespace<ProcessorObject>;
  WINDOWS: DurableObjectNamespace<WindowObject>;
  CLAIMS: DurableObjectNamespace<ClaimObject>;
  SCHEDULES: DurableObjectNamespace<ScheduleObject>;
  USERS: DurableObjectNamespace<UserServiceObject>;
  STORES: DurableObjectNamespace<StoreObject>;
  BUFFERS: DurableObjectNamespace<BufferObject>;
  PANES: DurableObjectNamespace<PaneObject>;
  RUNS: DurableObjectNamespace<RunObject>;
  BUCKET: R2Bucket;
  MAP_QUEUE: Queue<MapBell>;
  REDUCE_QUEUE: Queue<ReduceBell>;
  STREAM_QUEUE: Queue<StreamBell>;
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

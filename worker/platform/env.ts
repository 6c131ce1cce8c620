// The bindings of wrangler.toml, typed. `export type` only: nothing here runs.
import type { CatalogObject } from '../catalog/catalog.object.ts';
import type { JobObject } from '../mapreduce/job.object.ts';
import type { LobbyObject } from '../volunteers/lobby.object.ts';

/** Rings an edge mapper (or the planner's scan) for a job. `ring` tells lost from late bells. */
export interface MapBell {
  job: string;
  ring: number;
}

export interface ReduceBell {
  job: string;
  partition: number;
}

export interface Env {
  JOBS: DurableObjectNamespace<JobObject>;
  LOBBY: DurableObjectNamespace<LobbyObject>;
  CATALOG: DurableObjectNamespace<CatalogObject>;
  BUCKET: R2Bucket;
  MAP_QUEUE: Queue<MapBell>;
  REDUCE_QUEUE: Queue<ReduceBell>;
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

// The bindings of wrangler.toml, typed; nothing here runs. The namespaces know no class: stubs.ts says what each object
// answers, so that no room is imported here.
import type { MapWakeUp, ReduceWakeUp, StreamWakeUp } from '../contracts/wake-ups.ts';

export interface Env {
  JOBS: DurableObjectNamespace;
  LOBBY: DurableObjectNamespace;
  CATALOG: DurableObjectNamespace;
  LOGS: DurableObjectNamespace;
  CONSUMERS: DurableObjectNamespace;
  PROCESSORS: DurableObjectNamespace;
  BATCHES: DurableObjectNamespace;
  CLAIMS: DurableObjectNamespace;
  SCHEDULES: DurableObjectNamespace;
  USERS: DurableObjectNamespace;
  STATES: DurableObjectNamespace;
  JOINS: DurableObjectNamespace;
  WINDOWS: DurableObjectNamespace;
  RUNS: DurableObjectNamespace;
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

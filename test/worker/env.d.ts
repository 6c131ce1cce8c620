// The bindings that tests inside workerd see as `env`: those of wrangler.toml. Tests look into some objects, so these
// namespaces know their class.
declare namespace Cloudflare {
  interface Env extends Omit<ManyhandsEnv, 'BATCHES' | 'CATALOG' | 'LOGS' | 'JOBS'> {
    BATCHES: DurableObjectNamespace<
      import('../../worker/processors/batch/batch.object.ts').BatchObject
    >;
    CATALOG: DurableObjectNamespace<import('../../worker/catalog/catalog.object.ts').CatalogObject>;
    LOGS: DurableObjectNamespace<import('../../worker/log/partition/log.object.ts').LogObject>;
    JOBS: DurableObjectNamespace<import('../../worker/jobs/mapreduce/job.object.ts').JobObject>;
  }
}
type ManyhandsEnv = import('../../worker/platform/env.ts').Env;

// The bindings that tests inside workerd see as `env`: those of wrangler.toml.
declare namespace Cloudflare {
  interface Env extends ManyhandsEnv {}
}
type ManyhandsEnv = import('../../worker/platform/env.ts').Env;

// One run of a DAG job: the only arbiter of what its steps come to. A thin shell: run-desk.ts decides and carries out,
// run-store.ts keeps; this answers and wakes up in time.
import { DurableObject } from 'cloudflare:workers';
import { guardBindings } from '../platform/bindings.ts';
import type { Env } from '../platform/env.ts';

export class RunObject extends DurableObject<Env> {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, guardBindings(env));
  }
}

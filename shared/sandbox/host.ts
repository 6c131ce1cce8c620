// What user code may ask of its host, and how the host answers. Everything else is closed to it.
import type { Json } from '../schemas/common.ts';

/** Failures cross as values: an exception that crosses is logged as the edge's own. */
export type HostAnswer<Value> = { ok: true; value: Value } | { ok: false; message: string };

/** What user code may ask of the world, through the host: everything else is closed. */
export interface ProcessHost {
  /** JSON of a declared service's answer; null for a 404. Everything else that is no success fails. */
  call(service: string, key: string): Promise<HostAnswer<Json>>;
  /** A claim's bytes, checked against its hash. Fails when it is gone, too large, or not what it was. */
  payload(token: string): Promise<HostAnswer<{ bytes: Uint8Array; contentType: string }>>;
}

// The secret that leases, receipts and network hashes are keyed with.
import type { Env } from '../platform/env.ts';
import { catalog } from '../stubs.ts';

/** Kept as a value, not as a promise: a promise of one request must not be awaited in another. */
let known: string | null = null;

/** The secret that leases, receipts and network hashes are keyed with: made once, kept by the catalog. */
export async function leaseSecret(env: Env): Promise<string> {
  return (known ??= await catalog(env).secret());
}

// Compiled programs lie in R2 by their content, so that the same code is one object, and one isolate.
import { IF_ABSENT } from '../platform/bindings.edge.ts';
import type { Env } from '../platform/env.ts';
import { sha256Hex } from '../platform/sha256.ts';

export async function storeByContent(
  env: Pick<Env, 'BUCKET'>,
  text: string,
  keyOf: (hash: string) => string,
): Promise<{ key: string; hash: string }> {
  const hash = await sha256Hex(text);
  const key = keyOf(hash);
  // Several requests may put the same code at once: the second finds it there.
  await env.BUCKET.put(key, text, IF_ABSENT);
  return { key, hash };
}

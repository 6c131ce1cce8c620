// Identifiers of what is new: no two are the same.
import { ID_RANDOM_BYTES, idOf } from './ids.ts';

export const newId = (prefix: string, nowMs: number): string =>
  idOf(prefix, nowMs, crypto.getRandomValues(new Uint8Array(ID_RANDOM_BYTES)));

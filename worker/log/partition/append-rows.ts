// What becomes of a batch: which of its events are new, and the rows they are packed into. Decides and counts
// only; the caller writes.
import type { IdHashes, IdKey } from './id-index.ts';
import type { KnownIds } from './ids.ts';
import { type NewLine, packRows, type PackedRow } from './lines.ts';
import type { Append } from '../../contracts/log.rpc.ts';

export interface Deduped {
  events: NewLine[];
  duplicates: number;
  /** The hashes of the batch's ids, two words an event. */
  hashes: IdHashes;
}

/**
 * Drops the events that are in the log already: by the producer's sequence, or by their id. The ids of the others
 * are known from now on: `undoDedupe` takes that back.
 */
export function dedupe(
  batch: Append,
  lastSequence: number | null,
  idKey: IdKey,
  known: KnownIds,
): Deduped {
  const lines = batch.count === 0 ? [] : batch.text.split('\n');
  if (lines.length !== batch.count) {
    throw new Error(`an append of ${batch.count} events has ${lines.length} lines`);
  }
  const { ids, producer } = batch;
  const hashes = new Uint32Array(ids ? lines.length * 2 : 0);
  const claims = new Map(batch.claims.map(({ index, token, bytes }) => [index, { token, bytes }]));
  const events: NewLine[] = [];
  lines.forEach((line, i) => {
    const sequence = producer?.sequences[i];
    if (sequence !== undefined && lastSequence !== null && sequence <= lastSequence) return;
    const id = ids?.[i] ?? null;
    if (id !== null && !known.add(id, idKey, hashes, i * 2)) return;
    events.push({ line, claim: claims.get(i) ?? null, hashAt: id === null ? null : i * 2 });
  });
  return { events, duplicates: lines.length - events.length, hashes };
}

/** The events are not appended. */
export function undoDedupe({ events, hashes }: Deduped, known: KnownIds): void {
  for (const { hashAt } of events) {
    if (hashAt !== null) known.drop(hashes.slice(hashAt, hashAt + 2));
  }
}

/** The producer's sequence after a batch. */
export function lastSequenceOf(batch: Append, before: number | null): number | null {
  const last = batch.producer?.sequences.at(-1);
  return last === undefined ? before : Math.max(last, before ?? last);
}

export const rowsOf = (
  { events, hashes }: Deduped,
  partition: number,
  first: number,
  maxBytes: number,
): PackedRow[] => packRows(events, partition, first, hashes, maxBytes);

// What becomes of a batch: which of its events are new, and the rows they are packed into. Decides and counts
// only; whoever calls it writes.
import { hashId, type IdHashes, type IdIndex, type IdKey } from './id-index.ts';
import { type NewLine, packRows, type PackedRow } from './log-lines.ts';
import type { Append } from './log.rpc.ts';

export interface Sifted {
  events: NewLine[];
  duplicates: number;
  /** The hashes of the ids of all events in the batch, two words each; those of `events` are in the index already. */
  hashes: IdHashes;
}

/**
 * Drops the events that are in the log already: by the producer's sequence, or by their id. New ids are put into
 * the index: if the append fails, the index has to be made anew.
 */
export function sift(
  batch: Append,
  lastSequence: number | null,
  idKey: IdKey,
  index: () => IdIndex,
): Sifted {
  const lines = batch.count === 0 ? [] : batch.text.split('\n');
  if (lines.length !== batch.count) {
    throw new Error(`an append of ${batch.count} events has ${lines.length} lines`);
  }
  const { ids, producer } = batch;
  const hashes = new Uint32Array(ids ? lines.length * 2 : 0);
  const claims = new Map(batch.claims.map(({ index, token, bytes }) => [index, { token, bytes }]));
  const known = ids?.some((id) => id !== null) ? index() : null;
  const events: NewLine[] = [];
  lines.forEach((line, i) => {
    const sequence = producer?.sequences[i];
    if (sequence !== undefined && lastSequence !== null && sequence <= lastSequence) return;
    const id = ids?.[i] ?? null;
    let hashAt: number | null = null;
    if (id !== null && known) {
      hashAt = i * 2;
      hashId(id, idKey, hashes, hashAt);
      if (!known.add(hashes[hashAt] as number, hashes[hashAt + 1] as number)) return;
    }
    events.push({ line, claim: claims.get(i) ?? null, hashAt });
  });
  return { events, duplicates: lines.length - events.length, hashes };
}

/** The producer's sequence after a batch. */
export function lastSequenceOf(batch: Append, before: number | null): number | null {
  const last = batch.producer?.sequences.at(-1);
  return last === undefined ? before : Math.max(last, before ?? last);
}

export const rowsOf = (
  { events, hashes }: Sifted,
  partition: number,
  first: number,
  maxBytes: number,
): PackedRow[] => packRows(events, partition, first, hashes, maxBytes);

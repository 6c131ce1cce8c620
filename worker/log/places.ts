// Where a reader of several partitions is, as text: "0:12,1:7" means that partition 0 goes on at offset 12 and
// partition 1 at 7. It is the id of a live event, so that a tail can be resumed.
import { STREAM_PARTITIONS_MAX } from '../../shared/limits.ts';

/** The next offset by partition. */
export type Places = Map<number, number>;

const PLACE = /^(\d{1,3}):(\d{1,16})$/;

export const placesText = (places: Places): string =>
  [...places].map(([partition, next]) => `${partition}:${next}`).join(',');

/** Null: it is no such text. */
export function parsePlaces(text: string, partitions: number): Places | null {
  const places: Places = new Map();
  const parts = text.split(',');
  if (parts.length > STREAM_PARTITIONS_MAX) return null;
  for (const part of parts) {
    const [, partitionText, nextText] = PLACE.exec(part) ?? [];
    const partition = Number(partitionText);
    const next = Number(nextText);
    if (!(partition < partitions && Number.isSafeInteger(next)) || places.has(partition))
      return null;
    places.set(partition, next);
  }
  return places;
}

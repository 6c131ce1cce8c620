// The keys of one commit, as rows of many keys hold them.
import type { JoinSizes } from './parts.ts';

/** Keys that opened, or ended, in one commit; sorted. */
export type Segment = [startMs: number, keys: string[]];

export const countOf = (segments: readonly Segment[]): number =>
  segments.reduce((sum, [, keys]) => sum + keys.length, 0);

/** Segments in as few rows as they fit in; a large one is cut. */
export function packed(
  segments: readonly Segment[],
  { rowKeys, rowChars }: Pick<JoinSizes, 'rowKeys' | 'rowChars'>,
): Segment[][] {
  const rows: Segment[][] = [];
  let row: Segment[] = [];
  let [keys, chars] = [0, 0];
  for (const [startMs, all] of segments) {
    let few: string[] | null = null;
    for (const key of all) {
      const size = JSON.stringify(key).length + 1;
      if (keys > 0 && (keys === rowKeys || chars + size > rowChars)) {
        rows.push(row);
        [row, few, keys, chars] = [[], null, 0, 0];
      }
      if (!few) row.push([startMs, (few = [])]);
      few.push(key);
      keys++;
      chars += size;
    }
  }
  if (keys > 0) rows.push(row);
  return rows;
}

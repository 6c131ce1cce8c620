// The events of a window whose program has no `add`: a line each, as the log keeps it, behind where it came from and
// its time. So neither adding one nor handing them all over reads any event.
import type { Place } from '../keyed/operator.ts';

export interface KeptEvent extends Place {
  timeMs: number;
  line: string;
}

const OFFSET = /^\{"partition":\d+,"offset":(\d+)/;

export const keptText = ({ source, timeMs, line }: Omit<KeptEvent, 'offset'>): string =>
  `${source} ${timeMs} ${line}`;

/** In no particular order. */
export function keptEvents(text: string | null): KeptEvent[] {
  if (text === null || text === '') return [];
  return text.split('\n').map((kept) => {
    const first = kept.indexOf(' ');
    const second = kept.indexOf(' ', first + 1);
    const line = kept.slice(second + 1);
    const offset = Number(OFFSET.exec(line)?.[1] ?? 0);
    const timeMs = Number(kept.slice(first + 1, second));
    return { source: Number(kept.slice(0, first)), timeMs, offset, line };
  });
}

export const byTime = (a: KeptEvent, b: KeptEvent): number =>
  a.timeMs - b.timeMs || a.source - b.source || a.offset - b.offset;

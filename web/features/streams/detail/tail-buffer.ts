// The end of a stream as it is shown: a bounded list of the newest events, and where the reader is in each
// partition, so that a connection that breaks goes on without a gap or a repeat. Pure.
import type { PartitionStatus, StreamEvent } from '../../../../shared/schemas/stream.ts';

export const TAIL_ROWS_MAX = 1_000;
/** How many events from before the page was opened are asked for. */
const BACKLOG_EVENTS = 200;
const BACKLOG_PER_PARTITION_MAX = 50;

/** Next offset by partition, as the stream's event ids have it: "0:12,1:7". */
export class Places {
  readonly #next: Map<number, number>;

  constructor(next: Iterable<[number, number]>) {
    this.#next = new Map(next);
  }

  /** True once an event, false when it was there already. */
  take({ partition, offset }: Pick<StreamEvent, 'partition' | 'offset'>): boolean {
    if (offset < (this.#next.get(partition) ?? 0)) return false;
    this.#next.set(partition, offset + 1);
    return true;
  }

  toString(): string {
    return [...this.#next]
      .sort(([a], [b]) => a - b)
      .map(([partition, next]) => `${partition}:${next}`)
      .join(',');
  }
}

/** A little before the end of each partition, so that the page does not begin empty. */
export function backlogPlaces(partitions: readonly PartitionStatus[]): Places {
  const each = Math.min(
    BACKLOG_PER_PARTITION_MAX,
    Math.ceil(BACKLOG_EVENTS / Math.max(1, partitions.length)),
  );
  return new Places(
    partitions.map(({ partition, first, next }) => [partition, Math.max(first, next - each)]),
  );
}

export function addRows(
  rows: readonly StreamEvent[],
  events: readonly StreamEvent[],
): StreamEvent[] {
  if (events.length >= TAIL_ROWS_MAX) return events.slice(-TAIL_ROWS_MAX);
  return [...rows.slice(-(TAIL_ROWS_MAX - events.length)), ...events];
}

export interface TailFilter {
  type: string;
  key: string;
}

/** Either may be empty; both are parts of the whole, letters of any case. */
export function matches({ type, key }: StreamEvent, filter: TailFilter): boolean {
  const has = (text: string | null, part: string) =>
    part === '' || (text ?? '').toLowerCase().includes(part.toLowerCase());
  return has(type, filter.type) && has(key, filter.key);
}

export const rowId = ({ partition, offset }: StreamEvent): string => `${partition}:${offset}`;

const PREVIEW_CHARS = 200;

/** The payload on one line, cut. */
export function preview({ payload }: StreamEvent): string {
  if (payload === undefined) return '';
  const text = JSON.stringify(payload);
  return text.length > PREVIEW_CHARS ? `${text.slice(0, PREVIEW_CHARS)}…` : text;
}

/** 14:03:07.042, in the reader's own zone. */
export function clockText(isoTime: string): string {
  const at = new Date(isoTime);
  if (Number.isNaN(at.getTime())) return isoTime;
  const two = (value: number) => String(value).padStart(2, '0');
  const ms = String(at.getMilliseconds()).padStart(3, '0');
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${ms}`;
}

// From where a replay begins: what the dialog holds, and the point in the stream that it becomes. Pure.
import type { StreamPoint } from '../../../../shared/schemas/stream.ts';

export interface ReplayDraft {
  from: 'earliest' | 'offset' | 'time';
  offset: number | null;
  /** As a `datetime-local` field has it, in the reader's own zone. */
  time: string;
}

export const emptyReplayDraft = (): ReplayDraft => ({ from: 'earliest', offset: 0, time: '' });

export type Pointed = { ok: true; point: StreamPoint } | { ok: false; message: string };

export function pointOf({ from, offset, time }: ReplayDraft): Pointed {
  if (from === 'earliest') return { ok: true, point: 'earliest' };
  if (from === 'offset') {
    return offset !== null && Number.isInteger(offset) && offset >= 0
      ? { ok: true, point: offset }
      : { ok: false, message: 'a whole number, 0 or more' };
  }
  const at = new Date(time);
  return Number.isNaN(at.getTime())
    ? { ok: false, message: 'choose a day and a time' }
    : { ok: true, point: at.toISOString() };
}

/** What remains, in events, and the share of the log that was read, 0…1. */
export function replayProgress(lag: readonly { committed: number; lag: number }[]): {
  left: number;
  read: number;
} {
  const left = lag.reduce((sum, entry) => sum + entry.lag, 0);
  const committed = lag.reduce((sum, entry) => sum + entry.committed, 0);
  return { left, read: left === 0 ? 1 : committed / (committed + left) };
}

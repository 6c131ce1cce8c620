// Event time as people read it, and how far it has to go until a window closes. Pure.
import type { OpenEventWindow } from '../../../shared/schemas/processor.ts';
import { duration } from '../format.ts';

const two = (value: number) => String(value).padStart(2, '0');
const DAY = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });

/** "14:03:07", with its milliseconds and its day where they are needed, in the reader's own zone. */
export function eventTime(isoTime: string, nowMs: number): string {
  const at = new Date(isoTime);
  if (Number.isNaN(at.getTime())) return isoTime;
  const ms = at.getMilliseconds();
  const clock = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}${ms > 0 ? `.${String(ms).padStart(3, '0')}` : ''}`;
  const sameDay = at.toDateString() === new Date(nowMs).toDateString();
  return sameDay ? clock : `${DAY.format(at)}, ${clock}`;
}

/** "14:03:00 – 14:04:00"; the day is said once. */
export function spanText(
  { start, end }: Pick<OpenEventWindow, 'start' | 'end'>,
  nowMs: number,
): string {
  const sameDay = new Date(start).toDateString() === new Date(end).toDateString();
  return `${eventTime(start, nowMs)} – ${eventTime(end, sameDay ? Date.parse(end) : nowMs)}`;
}

export interface Closing {
  /** 0…1, of the way from its start to where it closes. */
  share: number;
  text: string;
}

/** Where the watermark stands in a window. Null: event time has not begun. */
export function closingOf(window: OpenEventWindow, watermark: string | null): Closing {
  if (watermark === null) return { share: 0, text: 'event time has not begun' };
  const [at, start, closes] = [watermark, window.start, window.closesAt].map((iso) =>
    Date.parse(iso),
  );
  if (at === undefined || start === undefined || closes === undefined)
    return { share: 0, text: '' };
  const share = closes > start ? Math.min(1, Math.max(0, (at - start) / (closes - start))) : 1;
  const left = closes - at;
  return { share, text: left <= 0 ? 'closing' : `${duration(left)} of event time to go` };
}

/** How the watermark stands to the clock: "3.2 s behind the clock". */
export function watermarkText(watermark: string, nowMs: number): string {
  const behind = nowMs - Date.parse(watermark);
  if (Math.abs(behind) < 1_000) return 'beside the clock';
  return `${duration(Math.abs(behind))} ${behind > 0 ? 'behind' : 'ahead of'} the clock`;
}

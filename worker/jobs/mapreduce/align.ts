// Makes a raw byte range exact for line-based formats: a record belongs to the split in which it begins.
// A record begins at 0 or right after a newline, so the exact start is the first such place at or past the
// raw start, and the exact end the first at or past the raw end. Two small probes replace a scan, and the
// range itself then goes from R2 to the mapper untouched.
import { RECORD_MAX_BYTES } from '../../../shared/limits.ts';

const NEWLINE = 0x0a;
const FIRST_PROBE_BYTES = 16 * 1024;
const LATER_PROBE_BYTES = 1024 * 1024;

/** Reads bytes [start, end) of the input. */
export type ReadRange = (start: number, end: number) => Promise<Uint8Array>;

export class RecordTooLongError extends Error {
  override name = 'RecordTooLongError';
}

/** The first place ≥ `at` where a record begins; `size` when none does. */
export async function nextRecordStart(at: number, size: number, read: ReadRange): Promise<number> {
  if (at <= 0) return 0;
  if (at >= size) return size;
  let from = at - 1; // A newline just before `at` means that a record begins at `at`.
  let probeBytes = FIRST_PROBE_BYTES;
  while (from < size) {
    const to = Math.min(from + probeBytes, size);
    const newline = (await read(from, to)).indexOf(NEWLINE);
    if (newline >= 0) return from + newline + 1;
    from = to;
    probeBytes = LATER_PROBE_BYTES;
    if (from - at > RECORD_MAX_BYTES) {
      throw new RecordTooLongError(
        `a record that crosses byte ${at} is longer than ${RECORD_MAX_BYTES} bytes`,
      );
    }
  }
  return size;
}

/** The exact range of the records that begin in [start, end). May be empty. */
export async function alignRange(
  start: number,
  end: number,
  size: number,
  read: ReadRange,
): Promise<{ start: number; end: number }> {
  const [exactStart, exactEnd] = await Promise.all([
    nextRecordStart(start, size, read),
    nextRecordStart(end, size, read),
  ]);
  return { start: exactStart, end: exactEnd };
}

// Finds record boundaries of a CSV in one sequential pass: a newline ends a record unless it is inside
// quotes (RFC 4180). The state is a few values, so that a scan of any size goes on in another message.
const QUOTE = 0x22;
const COMMA = 0x2c;
const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;

export interface CsvScanState {
  /** Bytes consumed so far. */
  offset: number;
  inQuotes: boolean;
  /** The next byte begins a field: only there does a quote open one. */
  atFieldStart: boolean;
  /** Where the record being read began; boundaries lie at such places. */
  boundaries: number[];
}

export const csvScanStart = (): CsvScanState => ({
  offset: 0,
  inQuotes: false,
  atFieldStart: true,
  boundaries: [0],
});

/**
 * Consumes a chunk: pushes a boundary at the first record that begins at or past every multiple of
 * `splitBytes`. A doubled quote closes and opens again, which leaves the state right.
 */
export function csvScanChunk(state: CsvScanState, chunk: Uint8Array, splitBytes: number): void {
  let { inQuotes, atFieldStart } = state;
  let wanted = (state.boundaries.at(-1) ?? 0) + splitBytes;
  for (let i = 0; i < chunk.length; i++) {
    const byte = chunk[i];
    if (inQuotes) {
      if (byte !== QUOTE) {
        const quote = chunk.indexOf(QUOTE, i);
        i = quote < 0 ? chunk.length : quote - 1;
        continue;
      }
      inQuotes = false;
      atFieldStart = true; // An escaped quote ("") opens again at once.
    } else if (byte === QUOTE) {
      if (atFieldStart) inQuotes = true;
      atFieldStart = false;
    } else if (byte === NEWLINE) {
      atFieldStart = true;
      const recordStart = state.offset + i + 1;
      if (recordStart >= wanted) {
        state.boundaries.push(recordStart);
        wanted = recordStart + splitBytes;
      }
    } else {
      const byteOrderMark = state.offset + i < 3 && (byte ?? 0) >= 0x80;
      atFieldStart =
        byte === COMMA || (atFieldStart && (byte === CARRIAGE_RETURN || byteOrderMark));
    }
  }
  state.offset += chunk.length;
  state.inQuotes = inQuotes;
  state.atFieldStart = atFieldStart;
}

/** The boundaries of a finished scan: the last one is the input's size. */
export function csvScanEnd(state: CsvScanState): number[] {
  const last = state.boundaries.at(-1);
  return last === state.offset ? state.boundaries : [...state.boundaries, state.offset];
}

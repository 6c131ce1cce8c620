// Finds record boundaries of a CSV in one sequential pass: LF, CR LF or a bare CR ends a record unless it is inside
// quotes (RFC 4180). The state is a few values, so that a scan of any size goes on in another message.
const QUOTE = 0x22;
const COMMA = 0x2c;
const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];

export interface CsvScanState {
  /** Bytes consumed so far. */
  offset: number;
  inQuotes: boolean;
  /** Where the quote lies that opened the last quoted field. Not in states of 0.4.0. */
  quoteAt?: number;
  /** Where the quote lies that closed it, or that escapes the next one. */
  closedAt?: number;
  /** The next byte begins a field: only there does a quote open one. */
  atFieldStart: boolean;
  /** The last byte was a CR outside quotes: unless LF follows, a record begins. Not in states of 0.4.0. */
  afterReturn?: boolean;
  /** Anything but empty lines has been seen: the header never lies behind the first split. */
  headerBegun: boolean;
  /** Bytes of a byte order mark that the input has begun with: such a mark is not text. */
  markBytes: number;
  /** Where splits begin; each is the beginning of a record. */
  boundaries: number[];
}

export const csvScanStart = (): CsvScanState => ({
  offset: 0,
  inQuotes: false,
  atFieldStart: true,
  headerBegun: false,
  markBytes: 0,
  boundaries: [0],
});

/**
 * Consumes a chunk: pushes a boundary wherever a record begins `splitBytes` or more behind the last one.
 * A doubled quote closes and opens again, which leaves the state right.
 */
export function csvScanChunk(state: CsvScanState, chunk: Uint8Array, splitBytes: number): void {
  let { inQuotes, quoteAt = 0, closedAt = -1, atFieldStart } = state;
  let { afterReturn = false, headerBegun, markBytes } = state;
  let wanted = (state.boundaries.at(-1) ?? 0) + splitBytes;
  const beginsRecord = (at: number): void => {
    if (at < wanted || !headerBegun) return;
    state.boundaries.push(at);
    wanted = at + splitBytes;
  };
  for (let i = 0; i < chunk.length; i++) {
    const byte = chunk[i];
    if (inQuotes) {
      const quote = chunk.indexOf(QUOTE, i);
      if (quote < 0) break;
      i = quote;
      inQuotes = false;
      closedAt = state.offset + i;
      atFieldStart = true; // An escaped quote ("") opens again at once.
      continue;
    }
    if (afterReturn && byte !== NEWLINE) beginsRecord(state.offset + i);
    afterReturn = byte === CARRIAGE_RETURN;
    if (byte === NEWLINE) {
      atFieldStart = true;
      beginsRecord(state.offset + i + 1);
    } else {
      inQuotes = byte === QUOTE && atFieldStart;
      if (inQuotes && closedAt !== state.offset + i - 1) quoteAt = state.offset + i;
      atFieldStart = byte === COMMA || afterReturn;
      if (!afterReturn) headerBegun = true;
      if (markBytes === state.offset + i && byte === BYTE_ORDER_MARK[markBytes]) {
        markBytes++;
        if (markBytes === BYTE_ORDER_MARK.length) {
          atFieldStart = true;
          headerBegun = false;
        }
      }
    }
  }
  state.offset += chunk.length;
  Object.assign(state, { inQuotes, quoteAt, closedAt, atFieldStart });
  Object.assign(state, { afterReturn, headerBegun, markBytes });
}

/** The boundaries of a finished scan: the last one is the input's size. */
export function csvScanEnd(state: CsvScanState): number[] {
  const last = state.boundaries.at(-1);
  return last === state.offset ? state.boundaries : [...state.boundaries, state.offset];
}

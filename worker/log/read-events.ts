// What reading a partition asks and gets, for those who read through a port of their own.

export interface ReadBounds {
  maxEvents: number;
  /** At least one event is read, whatever its size. */
  maxBytes: number;
}

/** `next` is the end of the log in each of these. */
export type ReadEvents =
  | {
      kind: 'events';
      first: number;
      count: number;
      /** Lines joined by newlines, none at the end. */
      text: string;
      /** Events from `offset` on (until the next entry) were appended at `atMs`. */
      appendedAt: { offset: number; atMs: number }[];
      next: number;
    }
  | { kind: 'end'; next: number }
  /** `first` is the oldest event that is still there. */
  | { kind: 'expired'; first: number; next: number }
  | { kind: 'unknown' };

// Why some fields of a processor that exists cannot be changed: said shortly at each, and once in full.
export const FIXED = 'Fixed while it exists.';
export const WHY_FIXED =
  'Grey fields are fixed while the processor exists: its places and what it keeps would mean something else. Make another processor for that, or delete this one first.';

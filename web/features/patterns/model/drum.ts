// How full a drum is drawn: one key is seen, a thousand are not the end. Pure.
const FULL_KEYS = 1_000;

/** 0…1, growing with the logarithm of the number of keys. */
export function fillOf(keys: number): number {
  if (keys <= 0) return 0;
  return Math.min(1, Math.log2(1 + keys) / Math.log2(1 + FULL_KEYS));
}

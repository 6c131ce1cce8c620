// Identifiers: time first, so that they sort by age, then randomness; lower-case letters and digits, safe in
// paths and R2 keys.
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const TIME_CHARS = 9;
const RANDOM_CHARS = 11;

/** `<prefix>_<20 characters>`, e.g. `job_0k3v…`. */
export function newId(prefix: string, nowMs: number): string {
  let time = '';
  for (let rest = nowMs, i = 0; i < TIME_CHARS; i++, rest = Math.floor(rest / 32)) {
    time = ALPHABET[rest % 32] + time;
  }
  const random = crypto.getRandomValues(new Uint8Array(RANDOM_CHARS));
  return `${prefix}_${time}${Array.from(random, (byte) => ALPHABET[byte % 32]).join('')}`;
}

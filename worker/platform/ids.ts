// Identifiers: time first, so that they sort by age, then randomness; lower-case letters and digits, safe in
// paths and R2 keys.
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const TIME_CHARS = 9;
export const ID_RANDOM_BYTES = 11;

/** Prefixes of jobs' ids by kind: so an id says which object to ask. */
export const JOB_PREFIXES = { mapreduce: 'job', dag: 'run' } as const;

export const isRunId = (job: string): boolean => job.startsWith(`${JOB_PREFIXES.dag}_`);

/** What is left of an id without its prefix: comparable by age with ids of another kind. */
export const ageOf = (id: string): string => id.slice(id.indexOf('_') + 1);

/** `<prefix>_<20 characters>`, e.g. `job_0k3v…`. */
export function idOf(prefix: string, nowMs: number, random: Uint8Array): string {
  let time = '';
  for (let rest = nowMs, i = 0; i < TIME_CHARS; i++, rest = Math.floor(rest / 32)) {
    time = ALPHABET[rest % 32] + time;
  }
  return `${prefix}_${time}${Array.from(random, (byte) => ALPHABET[byte % 32]).join('')}`;
}

/** Of what is made once for something else: as old as that, and the same for the same digest (SHA-256 in hex). */
export function derivedId(prefix: string, from: string, digest: string): string {
  let rest = '';
  for (let i = 0; i < ID_RANDOM_BYTES; i++) {
    rest += ALPHABET[Number.parseInt(digest.slice(2 * i, 2 * i + 2), 16) % 32];
  }
  return `${prefix}_${ageOf(from).slice(0, TIME_CHARS)}${rest}`;
}

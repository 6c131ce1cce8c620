// An independent count of an access log, in a style of its own so that it shares no mistake with the
// system: a regular expression over the whole text instead of a map function over split lines.

/** Hits per page as the system orders its result: by the keys' UTF-8 bytes. */
export function countPages(log: Buffer): { key: string; value: number }[] {
  const hits = new Map<string, number>();
  for (const [, path] of log.toString('latin1').matchAll(/^\S+ \S+ \S+ \[[^\]]+\] "\S+ (\S+)/gm)) {
    hits.set(path as string, (hits.get(path as string) ?? 0) + 1);
  }
  return [...hits]
    .map(([key, value]) => ({ key, value }))
    .sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
}

/** What `awk '{c[$7]++}'` counts: the seventh field, whatever it is. */
export const HITS_PER_PATH = `
export function map(line, emit) { emit(line.split(' ')[6], 1) }
export const combine = 'sum'
export const reduce = 'sum'`;

/** A program slow enough that something can happen in its middle, by work, not by waiting. */
export const SLOW_HITS_PER_PATH = `
export function map(line, emit) {
  let spin = 0;
  for (let i = 0; i < 20000; i++) spin = (spin + i) | 0;
  if (spin === 1) emit('never', 1);
  emit(line.split(' ')[6], 1);
}
export const combine = 'sum'
export const reduce = 'sum'`;

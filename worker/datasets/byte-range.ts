// One HTTP byte range (RFC 9110 §14): what a Range header asks of a resource of known size.

export interface ByteRange {
  offset: number;
  length: number;
}

/**
 * The range that `header` asks for. Null when the whole is to be sent: no header, a unit other than bytes, several
 * ranges, or a malformed one, all of which a server may ignore.
 */
export function byteRange(
  header: string | null | undefined,
  size: number,
): ByteRange | 'unsatisfiable' | null {
  const [, from, to] = /^bytes\s*=\s*(\d*)\s*-\s*(\d*)$/i.exec(header?.trim() ?? '') ?? [];
  if (from === undefined || to === undefined || (from === '' && to === '')) return null;
  if (from === '') {
    const length = Math.min(Number(to), size);
    return length === 0 ? 'unsatisfiable' : { offset: size - length, length };
  }
  const first = Number(from);
  const last = to === '' ? size - 1 : Math.min(Number(to), size - 1);
  if (to !== '' && Number(to) < first) return null;
  return first >= size ? 'unsatisfiable' : { offset: first, length: last - first + 1 };
}

// The rules that R2 has for multipart uploads, as arithmetic: whether the parts that a client made can be put
// together.
import { UPLOAD_PART_MIN_BYTES } from '../../shared/limits.ts';
import type { FieldError } from '../../shared/schemas/problem.ts';

/** What is wrong with a client's parts, in ascending order of their numbers; empty when nothing is. */
export function partErrors(parts: readonly { part: number; bytes: number }[]): FieldError[] {
  const first = parts[0];
  if (!first) return [{ path: 'parts', message: 'no part has been uploaded' }];
  const errors: FieldError[] = [];
  let expected = 1;
  parts.forEach(({ part, bytes }, i) => {
    const path = `parts.${part}`;
    if (part !== expected) {
      const missing =
        part - 1 === expected ? `part ${expected}` : `parts ${expected} to ${part - 1}`;
      errors.push({ path: `parts.${expected}`, message: `${missing} missing` });
    }
    expected = part + 1;
    const last = i === parts.length - 1;
    if (!last && bytes < UPLOAD_PART_MIN_BYTES) {
      const message = `has ${bytes} bytes; every part but the last has at least ${UPLOAD_PART_MIN_BYTES}`;
      errors.push({ path, message });
    } else if (last ? bytes > first.bytes : bytes !== first.bytes) {
      const rule = last ? 'the last part may not be larger' : 'all parts but the last are equal';
      errors.push({
        path,
        message: `has ${bytes} bytes, part ${first.part} has ${first.bytes}: ${rule}`,
      });
    }
  });
  return errors;
}

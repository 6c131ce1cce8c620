// The claims within an output: a step may return several pictures in one object. Pure.
import type { Claim } from '../../../shared/schemas/claim.ts';
import type { Json } from '../../../shared/schemas/common.ts';

export interface FoundClaim {
  claim: Claim;
  /** Where it lies: `thumbnails[0]`; empty for the whole. */
  path: string;
}

const VALUES_MAX = 5_000;

/** The first `max` of them; a very large value is not searched to its end. */
export function claimsIn(value: Json, max: number): FoundClaim[] {
  const found: FoundClaim[] = [];
  const open: { value: Json; path: string }[] = [{ value, path: '' }];
  for (let seen = 0; open.length > 0 && found.length < max && seen < VALUES_MAX; seen++) {
    const { value: next, path } = open.shift() ?? { value: null, path: '' };
    if (isClaim(next)) found.push({ claim: next as unknown as Claim, path });
    else if (Array.isArray(next)) {
      open.push(
        ...next.slice(0, VALUES_MAX).map((item, i) => ({ value: item, path: `${path}[${i}]` })),
      );
    } else if (typeof next === 'object' && next !== null) {
      for (const [name, field] of Object.entries(next).slice(0, VALUES_MAX)) {
        open.push({ value: field, path: path === '' ? name : `${path}.${name}` });
      }
    }
  }
  return found;
}

export function isClaim(value: Json): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const { token, bytes, sha256, contentType } = value;
  return (
    typeof token === 'string' &&
    typeof bytes === 'number' &&
    typeof sha256 === 'string' &&
    sha256.length === 64 &&
    typeof contentType === 'string'
  );
}

/** What a browser can show by itself. */
export function mediaOf({ contentType }: Claim): 'image' | 'video' | 'json' | 'text' | null {
  if (contentType.startsWith('image/')) return 'image';
  if (contentType.startsWith('video/')) return 'video';
  if (/^application\/(?:[\w.-]+\+)?json\b/.test(contentType)) return 'json';
  return contentType.startsWith('text/') ? 'text' : null;
}

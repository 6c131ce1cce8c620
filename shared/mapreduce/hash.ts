// The stable hash that puts a key into a partition, the same in browsers and at the edge: FNV-1a, 32 bit,
// over the key's UTF-8 bytes, then MurmurHash3's finalizer, since FNV's low bits alone are uneven.

/** Partition of a well-formed key: 0 ≤ r < partitions. */
export function partitionOf(key: string, partitions: number): number {
  return partitions === 1 ? 0 : hashKey(key) % partitions;
}

/** 32-bit unsigned. */
export function hashKey(key: string): number {
  let hash = 0x811c9dc5;
  const mix = (byte: number) => {
    hash = Math.imul(hash ^ byte, 0x01000193);
  };
  for (let i = 0; i < key.length; i++) {
    let code = key.charCodeAt(i);
    if (code < 0x80) {
      mix(code);
      continue;
    }
    if (code < 0x800) {
      mix(0xc0 | (code >> 6));
    } else {
      if (code >= 0xd800 && code <= 0xdbff && i + 1 < key.length) {
        code = 0x10000 + ((code - 0xd800) << 10) + (key.charCodeAt(++i) - 0xdc00);
        mix(0xf0 | (code >> 18));
        mix(0x80 | ((code >> 12) & 0x3f));
      } else {
        mix(0xe0 | (code >> 12));
      }
      mix(0x80 | ((code >> 6) & 0x3f));
    }
    mix(0x80 | (code & 0x3f));
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

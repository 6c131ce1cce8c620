// The event ids of a partition, as a set of 64-bit hashes in flat memory: two million ids take 20 to 32 MB, a Set
// of the texts would take 200. The hash is keyed by a secret of the partition, so that no client can choose ids that
// collide; by chance a new id among n known ones is taken for a duplicate with n / 2⁶⁴: 1 in 10¹³ for two million.

/** Hashes are kept, and stored, as pairs of 32-bit words: high, low, high, low … */
export type IdHashes = Uint32Array<ArrayBuffer>;

/** 8 bytes of randomness. */
export type IdKey = readonly [number, number];

const FILLED_SHARE = 0.8;
const GROWTH = 1.6;
const SLOTS_MIN = 64;
const TWO_32 = 2 ** 32;

export class IdIndex {
  #slots: number;
  #high: Uint32Array;
  #low: Uint32Array;
  #size = 0;

  constructor(expected = 0) {
    this.#slots = Math.max(SLOTS_MIN, Math.ceil(expected / FILLED_SHARE));
    this.#high = new Uint32Array(this.#slots);
    this.#low = new Uint32Array(this.#slots);
  }

  get size(): number {
    return this.#size;
  }

  has(high: number, low: number): boolean {
    return this.#taken(this.#slotOf(high, low));
  }

  /** False when it was there. */
  add(high: number, low: number): boolean {
    if (this.#size + 1 > this.#slots * FILLED_SHARE) this.#grow();
    const slot = this.#slotOf(high, low);
    if (this.#taken(slot)) return false;
    this.#put(slot, high, low);
    this.#size++;
    return true;
  }

  addAll(hashes: IdHashes): void {
    for (let i = 0; i + 1 < hashes.length; i += 2) {
      this.add(hashes[i] as number, hashes[i + 1] as number);
    }
  }

  removeAll(hashes: IdHashes): void {
    for (let i = 0; i + 1 < hashes.length; i += 2) {
      this.remove(hashes[i] as number, hashes[i + 1] as number);
    }
  }

  remove(high: number, low: number): void {
    let hole = this.#slotOf(high, low);
    if (!this.#taken(hole)) return;
    this.#size--;
    // What follows in the same run moves up, unless it would come to stand before its home.
    for (let slot = this.#after(hole); this.#taken(slot); slot = this.#after(slot)) {
      const home = this.#homeOf(this.#high[slot] as number);
      const between = hole < slot ? hole < home && home <= slot : hole < home || home <= slot;
      if (between) continue;
      this.#put(hole, this.#high[slot] as number, this.#low[slot] as number);
      hole = slot;
    }
    this.#put(hole, 0, 0);
  }

  /** Where the hash is, or the free slot where it would be put. */
  #slotOf(high: number, low: number): number {
    let slot = this.#homeOf(high);
    while (this.#taken(slot) && (this.#high[slot] !== high || this.#low[slot] !== low)) {
      slot = this.#after(slot);
    }
    return slot;
  }

  #homeOf(high: number): number {
    return Math.floor((high / TWO_32) * this.#slots);
  }
  #after(slot: number): number {
    return slot + 1 === this.#slots ? 0 : slot + 1;
  }
  #taken(slot: number): boolean {
    return this.#high[slot] !== 0 || this.#low[slot] !== 0;
  }
  #put(slot: number, high: number, low: number): void {
    this.#high[slot] = high;
    this.#low[slot] = low;
  }

  #grow(): void {
    const old = { high: this.#high, low: this.#low };
    this.#slots = Math.ceil(this.#slots * GROWTH);
    this.#high = new Uint32Array(this.#slots);
    this.#low = new Uint32Array(this.#slots);
    old.high.forEach((high, i) => {
      const low = old.low[i] as number;
      if (high !== 0 || low !== 0) this.#put(this.#slotOf(high, low), high, low);
    });
  }
}

/**
 * HalfSipHash-2-4 with 64 bits of output (Aumasson and Bernstein), over the UTF-16 code units, little endian. The
 * two words go to `into[at]` and `into[at + 1]`, high word first; never both 0, which marks a free slot. One loop
 * over all rounds, on local variables: this runs for every event with an id.
 */
export function hashId(id: string, [key0, key1]: IdKey, into: IdHashes, at: number): void {
  let v0 = key0;
  let v1 = key1 ^ 0xee;
  let v2 = 0x6c796765 ^ key0;
  let v3 = 0x74656462 ^ key1;
  const { length } = id;
  const wholeWords = length >> 1;
  const lastWord = ((length * 2) << 24) | (length % 2 === 1 ? id.charCodeAt(length - 1) : 0);
  /** Two rounds a word, then four for each word of the result. */
  const mixed = (wholeWords + 1) * 2;
  let word = 0;
  let low = 0;
  for (let round = 0; round < mixed + 8; round++) {
    if (round < mixed) {
      if ((round & 1) === 0) {
        const place = round >> 1;
        word =
          place < wholeWords
            ? id.charCodeAt(place * 2) | (id.charCodeAt(place * 2 + 1) << 16)
            : lastWord;
        v3 ^= word;
      }
    } else if (round === mixed) {
      v2 ^= 0xee;
    } else if (round === mixed + 4) {
      low = v1 ^ v3;
      v1 ^= 0xdd;
    }
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    if (round < mixed && (round & 1) === 1) v0 ^= word;
  }
  const high = v1 ^ v3;
  into[at] = high;
  into[at + 1] = high === 0 && low === 0 ? 1 : low;
}

// Range reads of R2 objects, never more at once than there are connections: a Worker may hold
// CONNECTIONS_MAX open, and what waits for a seventh waits for ever if none of the six is read.
export class RangeReader {
  readonly #bucket: R2Bucket;
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(bucket: R2Bucket, connections: number) {
    this.#bucket = bucket;
    this.#free = connections;
  }

  /** Throws when the object is gone. */
  async read(key: string, offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    while (this.#free === 0) await new Promise<void>((resolve) => void this.#waiting.push(resolve));
    this.#free--;
    try {
      const object = await this.#bucket.get(key, { range: { offset, length } });
      if (!object) throw new Error(`the object ${key} is gone`);
      return new Uint8Array(await object.arrayBuffer());
    } finally {
      this.#free++;
      this.#waiting.shift()?.();
    }
  }
}

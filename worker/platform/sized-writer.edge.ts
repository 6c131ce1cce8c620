// Writes an R2 object whose size is known: one streamed put in bounded memory. It costs one operation where
// a multipart upload costs one a part, and is read faster: the local R2 puts parts together at every read.
// Nothing is visible before `finish`; `abort` leaves nothing behind.

export class SizedWriter {
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #put: Promise<R2Object>;
  #bytes = 0;

  constructor(bucket: R2Bucket, key: string, bytes: number, options: R2PutOptions = {}) {
    const stream = new FixedLengthStream(bytes);
    this.#writer = stream.writable.getWriter();
    this.#put = bucket.put(key, stream.readable, options);
    // A failed put shows in the writes; until `finish` it is not awaited.
    this.#put.catch(() => undefined);
    this.#writer.closed.catch(() => undefined);
  }

  /** Bytes taken so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Throws past the announced size. */
  async write(chunk: Uint8Array): Promise<void> {
    await this.#writer.write(chunk);
    this.#bytes += chunk.length;
  }

  /** The number of bytes written. Throws when they are fewer than announced. */
  async finish(): Promise<number> {
    await this.#writer.close();
    await this.#put;
    return this.#bytes;
  }

  async abort(): Promise<void> {
    await this.#writer.abort().catch(() => undefined);
    await this.#put.catch(() => undefined);
  }
}

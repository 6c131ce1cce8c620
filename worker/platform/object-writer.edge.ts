// Writes an R2 object of unknown size in bounded memory: one put when it stays small, else a multipart
// upload of equal parts. Nothing is visible before `finish`; `abort` leaves nothing behind.
import { UPLOAD_PART_BYTES } from '../../shared/limits.ts';

export class ObjectWriter {
  readonly #bucket: R2Bucket;
  readonly #key: string;
  readonly #options: R2MultipartOptions;
  readonly #partBytes: number;
  #buffer: Uint8Array<ArrayBuffer>;
  #length = 0;
  #bytes = 0;
  #upload: R2MultipartUpload | null = null;
  readonly #parts: R2UploadedPart[] = [];

  constructor(
    bucket: R2Bucket,
    key: string,
    options: R2MultipartOptions = {},
    partBytes = UPLOAD_PART_BYTES,
  ) {
    this.#bucket = bucket;
    this.#key = key;
    this.#options = options;
    this.#partBytes = partBytes;
    this.#buffer = new Uint8Array(Math.min(64 * 1024, partBytes));
  }

  /** Bytes taken so far. */
  get bytes(): number {
    return this.#bytes;
  }

  async write(chunk: Uint8Array): Promise<void> {
    let rest = chunk;
    this.#bytes += chunk.length;
    while (rest.length > 0) {
      const piece = rest.subarray(0, this.#partBytes - this.#length);
      rest = rest.subarray(piece.length);
      this.#append(piece);
      // A full part is sent only when more follows: the last one may be of any size.
      if (this.#length === this.#partBytes && rest.length > 0) await this.#sendPart();
    }
  }

  /** The number of bytes written. */
  async finish(): Promise<number> {
    if (!this.#upload) {
      await this.#bucket.put(this.#key, this.#buffer.subarray(0, this.#length), this.#options);
      return this.#bytes;
    }
    if (this.#length > 0) await this.#sendPart();
    await this.#upload.complete(this.#parts);
    return this.#bytes;
  }

  async abort(): Promise<void> {
    await this.#upload?.abort();
    this.#upload = null;
  }

  #append(piece: Uint8Array): void {
    const needed = this.#length + piece.length;
    if (needed > this.#buffer.length) {
      const grown = new Uint8Array(
        Math.min(this.#partBytes, Math.max(needed, this.#buffer.length * 4)),
      );
      grown.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = grown;
    }
    this.#buffer.set(piece, this.#length);
    this.#length = needed;
  }

  async #sendPart(): Promise<void> {
    if (!this.#upload) {
      this.#upload = await this.#bucket.createMultipartUpload(this.#key, this.#options);
    }
    const part = await this.#upload.uploadPart(
      this.#parts.length + 1,
      this.#buffer.subarray(0, this.#length),
    );
    this.#parts.push(part);
    this.#length = 0;
  }
}

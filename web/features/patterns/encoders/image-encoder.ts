// The ImageEncoder: gives pictures to its worker, and ends it when it does not answer.
import type { EncodeAnswer, EncodedPicture } from './messages.ts';

const WIDTHS = [960, 480, 160];
const TYPE = 'image/webp';
const QUALITY = 0.82;
const ENCODE_MAX_MS = 30_000;

export class ImageEncoder {
  #worker: Worker | null = null;
  #asked = 0;

  encode(original: Blob): Promise<EncodedPicture[]> {
    const worker = (this.#worker ??= new Worker(new URL('./encode.worker.ts', import.meta.url), {
      type: 'module',
    }));
    const id = ++this.#asked;
    return new Promise<EncodedPicture[]>((resolve, reject) => {
      const stop = new AbortController();
      const end = (error: Error) => {
        stop.abort();
        this.close();
        reject(error);
      };
      const timer = setTimeout(
        () => end(new Error(`the picture was not encoded within ${ENCODE_MAX_MS / 1000} s`)),
        ENCODE_MAX_MS,
      );
      stop.signal.addEventListener('abort', () => clearTimeout(timer));
      const taken = ({ data }: MessageEvent<EncodeAnswer>) => {
        if (data.id !== id) return;
        stop.abort();
        if (data.ok) resolve(data.pictures);
        else reject(new Error(`the picture could not be encoded: ${data.message}`));
      };
      worker.addEventListener('message', taken, { signal: stop.signal });
      worker.addEventListener('error', () => end(new Error('the encoder broke')), {
        signal: stop.signal,
      });
      worker.postMessage({ id, original, widths: WIDTHS, type: TYPE, quality: QUALITY });
    });
  }

  close(): void {
    this.#worker?.terminate();
    this.#worker = null;
  }
}

// What crosses between the page and the worker that encodes. Plain values and bytes only.
export interface EncodeRequest {
  id: number;
  original: Blob;
  /** Widths of the pictures that are wanted, none larger than the original. */
  widths: readonly number[];
  type: string;
  quality: number;
}

export interface EncodedPicture {
  blob: Blob;
  width: number;
  height: number;
}

export type EncodeAnswer =
  { id: number; ok: true; pictures: EncodedPicture[] } | { id: number; ok: false; message: string };

// Base64 of bytes, for those that travel within JSON. The built-ins are kept from before user code runs in a realm.
const { fromCharCode } = String;
const { charCodeAt } = String.prototype;
const { apply } = Reflect;
const toText = btoa;
const fromText = atob;
const RealUint8Array = Uint8Array;
/** A multiple of three, so that pieces can be put together; few enough to be arguments of one call. */
const PIECE_BYTES = 3 * 4096;

export const base64Length = (bytes: number): number => Math.ceil(bytes / 3) * 4;

export function base64Of(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    const piece = bytes.subarray(at, at + PIECE_BYTES);
    text += toText(apply(fromCharCode, null, piece as unknown as number[]));
  }
  return text;
}

/** Throws on what is no base64. */
export function bytesOfBase64(text: string): Uint8Array<ArrayBuffer> {
  const binary = fromText(text);
  const bytes = new RealUint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = apply(charCodeAt, binary, [i]) as number;
  return bytes;
}

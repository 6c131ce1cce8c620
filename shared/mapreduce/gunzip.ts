// Unpacks gzip in pieces, and believes nothing that its checksums do not confirm: fflate inflates, but reads
// past a file that was cut off, and does not compare (RFC 1952: each member ends with CRC-32 and size).
import { Gunzip } from 'fflate';
import { messageOf } from '../message-of.ts';
import { TaskFailure } from '../sandbox/task-error.ts';

const STEP_BYTES = 64 * 1024;
const TRAILER_BYTES = 8;

/** Files of several members are one text. Throws a TaskFailure `bad_record` at damage, after what came before it. */
export function* gunzip(packed: Uint8Array): Generator<Uint8Array> {
  const unpacked: Uint8Array[] = [];
  let crc = 0;
  let bytes = 0;
  const checkMember = (end: number): void => {
    const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
    const at = end - TRAILER_BYTES;
    if (
      at < 0 ||
      view.getUint32(at, true) !== crc ||
      view.getUint32(at + 4, true) !== bytes >>> 0
    ) {
      throw new Error('its checksum does not match, or it is cut off');
    }
    crc = 0;
    bytes = 0;
  };
  const stream = new Gunzip((chunk) => {
    crc = crc32(chunk, crc);
    bytes = (bytes + chunk.length) % 2 ** 32;
    unpacked.push(chunk);
  });
  // Called for each member but the first, before it is unpacked.
  stream.onmember = checkMember;
  for (let at = 0; at < packed.length; at += STEP_BYTES) {
    const last = at + STEP_BYTES >= packed.length;
    try {
      stream.push(packed.subarray(at, at + STEP_BYTES), last);
      if (last) checkMember(packed.length);
    } catch (error) {
      const why = messageOf(error);
      throw new TaskFailure('bad_record', `the gzip input is damaged: ${why}`);
    }
    yield* unpacked.splice(0);
  }
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

/** CRC-32 as in gzip; goes on from `before`. */
export function crc32(bytes: Uint8Array, before = 0): number {
  let crc = ~before;
  for (let i = 0; i < bytes.length; i++) {
    crc = (CRC_TABLE[(crc ^ (bytes[i] as number)) & 0xff] as number) ^ (crc >>> 8);
  }
  return ~crc >>> 0;
}

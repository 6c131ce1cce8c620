// Writes animated GIFs for tests, with true LZW, so that what reads them has something to read.
export interface GifFrame {
  /** One colour's index a pixel. */
  pixels: Uint8Array;
  x: number;
  y: number;
  width: number;
  height: number;
  delayMs: number;
  disposal?: number;
  clearIndex?: number;
}

export function writeGif(
  { width, height }: { width: number; height: number },
  /** Red, green, blue; 2, 4, … or 256 of them. */
  palette: readonly (readonly [number, number, number])[],
  frames: readonly GifFrame[],
): Uint8Array<ArrayBuffer> {
  const bits = Math.max(1, Math.log2(palette.length));
  const two = (value: number) => [value & 255, value >> 8];
  const out = [...ascii('GIF89a'), ...two(width), ...two(height), 0x80 | (bits - 1), 0, 0];
  out.push(...palette.flat());
  for (const { pixels, x, y, delayMs, disposal = 0, clearIndex, ...size } of frames) {
    const flags = (disposal << 2) | (clearIndex === undefined ? 0 : 1);
    out.push(0x21, 0xf9, 4, flags, ...two(delayMs / 10), clearIndex ?? 0, 0);
    out.push(0x2c, ...two(x), ...two(y), ...two(size.width), ...two(size.height), 0);
    const codeBits = Math.max(2, bits);
    const data = pack(pixels, codeBits);
    out.push(codeBits);
    for (let at = 0; at < data.length; at += 255) {
      const block = data.slice(at, at + 255);
      out.push(block.length, ...block);
    }
    out.push(0);
  }
  return Uint8Array.from([...out, 0x3b]);
}

/** LZW as GIF has it: codes of `codeBits + 1` to 12 bits, and begun afresh when all are given out. */
export function pack(pixels: Uint8Array, codeBits: number): Uint8Array<ArrayBuffer> {
  const [clear, end] = [1 << codeBits, (1 << codeBits) + 1];
  const out: number[] = [];
  let [held, count, bits] = [0, 0, codeBits + 1];
  const put = (code: number) => {
    held |= code << count;
    for (count += bits; count >= 8; count -= 8, held >>>= 8) out.push(held & 255);
  };
  let known = new Map<string, number>();
  const begin = () => {
    put(clear);
    known = new Map();
    bits = codeBits + 1;
  };
  const codeOf = (run: string) => (run.includes(' ') ? known.get(run) : Number(run));
  begin();
  let run = '';
  for (const pixel of pixels) {
    const longer = run === '' ? `${pixel}` : `${run} ${pixel}`;
    if (codeOf(longer) !== undefined) {
      run = longer;
      continue;
    }
    put(codeOf(run) as number);
    const code = end + 1 + known.size;
    known.set(longer, code);
    if (code === 1 << bits) bits++;
    if (code === 4095) begin();
    run = `${pixel}`;
  }
  if (run !== '') put(codeOf(run) as number);
  put(end);
  if (count > 0) out.push(held & 255);
  return Uint8Array.from(out);
}

const ascii = (text: string) => Array.from(text, (letter) => letter.charCodeAt(0));

// Part of the VideoEncoder's program: takes GIF and WebP animations apart, frame by frame. The sandbox's workers have no
// ImageDecoder (browsers give WebCodecs to secure contexts only, and a worker without an origin is none to them).
export const MOVING_PICTURES = `// --- Animations: size, and a list of frames {x, y, ms, clear, restore, image()} ------------------------------

function animation(bytes) {
  const four = (at) => String.fromCharCode(...bytes.subarray(at, at + 4));
  const read = four(0) === 'GIF8' ? gif(bytes) : four(0) === 'RIFF' && four(12) === 'VP8X' ? animatedWebp(bytes) : null;
  return read && read.frames.length > 1 ? read : null;
}

// Every frame of a WebP animation is a still WebP without its envelope.
// developers.google.com/speed/webp/docs/riff_container
function animatedWebp(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const three = (at) => view.getUint16(at, true) + (view.getUint8(at + 2) << 16);
  const chunks = (from, to) => {
    const found = [];
    for (let at = from; at + 8 <= to; ) {
      const size = view.getUint32(at + 4, true);
      const end = Math.min(to, at + 8 + size + (size % 2));
      found.push({ name: String.fromCharCode(...bytes.subarray(at, at + 4)), at, end });
      at = end;
    }
    return found;
  };
  const frames = chunks(12, bytes.length)
    .filter(({ name }) => name === 'ANMF')
    .map(({ at, end }) => {
      const [width, height] = [three(at + 14) + 1, three(at + 17) + 1];
      const inside = chunks(at + 24, end);
      const alpha = inside.some(({ name }) => name === 'ALPH');
      const head = alpha ? [riffChunk('VP8X', [[0x10, 0, 0, 0], little(width - 1), little(height - 1)])] : [];
      const parts = inside.map((part) => bytes.subarray(part.at, part.end));
      return {
        x: 2 * three(at + 8),
        y: 2 * three(at + 11),
        width,
        height,
        ms: three(at + 20),
        clear: (view.getUint8(at + 23) & 1) === 1,
        over: (view.getUint8(at + 23) & 2) === 0,
        restore: false,
        image: () => createImageBitmap(new Blob([riffChunk('RIFF', [text('WEBP'), ...head, ...parts])])),
      };
    });
  return { kind: 'WebP', width: three(24) + 1, height: three(27) + 1, frames };
}

function riffChunk(name, parts) {
  const size = parts.reduce((sum, part) => sum + part.length, 0);
  const sizes = Uint8Array.of(size & 255, (size >> 8) & 255, (size >> 16) & 255, size >>> 24);
  return join([text(name), sizes, ...parts, ...(size % 2 ? [[0]] : [])]);
}
const little = (value) => [value & 255, (value >> 8) & 255, (value >> 16) & 255];

// www.w3.org/Graphics/GIF/spec-gif89a.txt
function gif(bytes) {
  const two = (at) => bytes[at] | (bytes[at + 1] << 8);
  const palette = (flags, at) => (flags & 0x80 ? bytes.subarray(at, at + 3 * (2 << (flags & 7))) : null);
  const common = palette(bytes[10], 13);
  const frames = [];
  let at = 13 + (common?.length ?? 0);
  let control = { disposal: 0, ms: 100, clearIndex: -1 };
  const blocks = () => {
    const parts = [];
    for (; bytes[at] > 0; at += bytes[at] + 1) parts.push(bytes.subarray(at + 1, at + 1 + bytes[at]));
    at++;
    return parts;
  };
  while (at < bytes.length && bytes[at] !== 0x3b) {
    if (bytes[at] === 0x21) {
      if (bytes[at + 1] === 0xf9) {
        const flags = bytes[at + 3];
        const clearIndex = flags & 1 ? bytes[at + 6] : -1;
        control = { disposal: (flags >> 2) & 7, ms: 10 * two(at + 4) || 100, clearIndex };
      }
      at += 2;
      blocks();
    } else if (bytes[at] === 0x2c) {
      const [x, y, width, height] = [two(at + 1), two(at + 3), two(at + 5), two(at + 7)];
      const flags = bytes[at + 9];
      const own = palette(flags, at + 10);
      at += 10 + (own?.length ?? 0);
      const codeBits = bytes[at++];
      const data = join(blocks());
      const { disposal, ms, clearIndex } = control;
      const image = async () => {
        const indexes = unpack(data, codeBits, width * height);
        return createImageBitmap(coloured(indexes, own ?? common, { width, height, clearIndex, interlaced: (flags & 0x40) > 0 }));
      };
      frames.push({ x, y, width, height, ms, clear: disposal === 2, over: true, restore: disposal === 3, image });
      control = { disposal: 0, ms: 100, clearIndex: -1 };
    } else break;
  }
  return { kind: 'GIF', width: two(6), height: two(8), frames };
}

// LZW: each code stands for one that was seen before and one colour more.
function unpack(data, codeBits, size) {
  const [clear, end] = [1 << codeBits, (1 << codeBits) + 1];
  const before = new Uint16Array(4096);
  const last = new Uint8Array(4096);
  const out = new Uint8Array(size);
  const run = [];
  let [bits, held, at, count, known, previous, first] = [codeBits + 1, 0, 0, 0, end + 1, -1, 0];
  for (let filled = 0; filled < size; ) {
    while (count < bits && at < data.length) {
      held |= data[at++] << count;
      count += 8;
    }
    if (count < bits) break;
    const code = held & ((1 << bits) - 1);
    held >>>= bits;
    count -= bits;
    if (code === end) break;
    if (code === clear) {
      [bits, known, previous] = [codeBits + 1, end + 1, -1];
      continue;
    }
    let walk = code;
    if (code >= known) {
      if (previous < 0 || code > known) break; // broken
      run.push(first);
      walk = previous;
    }
    for (; walk > end; walk = before[walk]) run.push(last[walk]);
    first = walk;
    run.push(walk);
    while (run.length > 0 && filled < size) out[filled++] = run.pop();
    run.length = 0;
    if (previous >= 0 && known < 4096) {
      before[known] = previous;
      last[known++] = first;
      if (known === 1 << bits && bits < 12) bits++;
    }
    previous = code;
  }
  return out;
}

function coloured(indexes, colours, { width, height, clearIndex, interlaced }) {
  const image = new ImageData(width, height);
  const rows = [];
  const passes = interlaced ? [[0, 8], [4, 8], [2, 4], [1, 2]] : [[0, 1]];
  for (const [from, step] of passes) for (let y = from; y < height; y += step) rows.push(y);
  for (let i = 0; i < indexes.length; i++) {
    const index = indexes[i];
    if (index === clearIndex) continue;
    const to = 4 * (rows[Math.floor(i / width)] * width + (i % width));
    for (let tone = 0; tone < 3; tone++) image.data[to + tone] = colours?.[3 * index + tone] ?? 0;
    image.data[to + 3] = 255;
  }
  return image;
}
`;

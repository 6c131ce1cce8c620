// Part of the VideoEncoder's program: writes encoded frames into a WebM file.
export const WEBM = `// --- A WebM file: elements in elements, each an id, a size, what is inside. matroska.org/technical/elements.html

function webm(codec, { width, height }, blocks, ms) {
  const duration = new DataView(new ArrayBuffer(8));
  duration.setFloat64(0, ms);
  const head = element('1a45dfa3', [
    ...[element('4286', [number(1)]), element('42f7', [number(1)]), element('42f2', [number(4)])],
    ...[element('42f3', [number(8)]), element('4282', [text('webm')])],
    ...[element('4287', [number(2)]), element('4285', [number(2)])],
  ]);
  const info = element('1549a966', [
    element('2ad7b1', [number(1000000)]), // a tick is a millisecond
    element('4489', [new Uint8Array(duration.buffer)]),
    element('4d80', [text('Manyhands')]),
    element('5741', [text('Manyhands')]),
  ]);
  const track = element('ae', [
    ...[element('d7', [number(1)]), element('73c5', [number(1)]), element('83', [number(1)])],
    element('86', [text(codec)]),
    element('e0', [element('b0', [number(width)]), element('ba', [number(height)])]),
  ]);
  // One cluster: its blocks count their milliseconds in 16 bits, which is why clips are short.
  const cluster = element('1f43b675', [
    element('e7', [number(0)]),
    ...blocks.map(({ ms, key, data }) =>
      element('a3', [Uint8Array.of(0x81, ms >> 8, ms & 255, key ? 0x80 : 0), data]),
    ),
  ]);
  return join([head, element('18538067', [info, element('1654ae6b', [track]), cluster])]);
}

function element(id, inside) {
  const size = inside.reduce((sum, part) => sum + part.length, 0);
  const name = Uint8Array.from(id.match(/../g), (pair) => parseInt(pair, 16));
  return join([name, Uint8Array.of(0x08), number(size), ...inside]);
}

const number = (value) =>
  Uint8Array.of(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
const text = (value) => new TextEncoder().encode(value);

function join(parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
`;

// The VideoEncoder of the product upload, as a step's program: it decodes an animated picture frame by frame, or pans
// over a still one, and encodes the frames as video. A worker without network has no video element, so that files of
// cameras (MP4, WebM) would have to be taken apart by the program itself: it takes what browsers decode as pictures.
export const VIDEO_ENCODER = `// A short clip of the product. Runs in a browser that lends a core.
// In: an animated GIF, WebP, APNG or AVIF (each of its frames), or a still picture (a camera pans over it). Files of
// cameras (MP4) are not read: a worker has no <video>, and to take them apart is work for a longer program.
// Out: VP8 or VP9 in a WebM file where the browser has WebCodecs, else the same frames as an animated WebP.
const BOX = 480;
const FRAMES_MAX = 240;
const CLIP_MS_MAX = 30000;

export default async ({ input, steps }, ctx) => {
  const upload = input.clip ?? steps.Uploaded;
  const bytes = await ctx.payload(upload);
  const film = (await animation(bytes, upload.contentType)) ?? (await pan(bytes, upload.contentType));
  ctx.log(film.length + ' frames of ' + film.width + ' × ' + film.height + ': ' + film.from);
  const video = await encode(film, ctx);
  if (video) return { bytes: video, contentType: 'video/webm' };
  ctx.log('no video encoder in this browser: an animated WebP instead');
  return { bytes: await animatedWebp(film), contentType: 'image/webp' };
};

// --- Frames: draw(context, i) paints one, msOf(i) says how long it stands. ------------------------------

async function animation(bytes, type) {
  if (typeof ImageDecoder !== 'function' || !(await ImageDecoder.isTypeSupported(type))) return null;
  const decoder = new ImageDecoder({ data: bytes, type });
  await decoder.completed;
  await decoder.tracks.ready;
  const count = decoder.tracks.selectedTrack?.frameCount ?? 0;
  if (count < 2) return null;
  const first = (await decoder.decode({ frameIndex: 0 })).image;
  const size = fit(first.displayWidth, first.displayHeight);
  first.close();
  return {
    ...size,
    from: 'decoded from ' + type,
    length: Math.min(count, FRAMES_MAX),
    async draw(context, i) {
      const { image } = await decoder.decode({ frameIndex: i });
      context.drawImage(image, 0, 0, size.width, size.height);
      const ms = Math.max(20, Math.round((image.duration ?? 100000) / 1000));
      image.close();
      return ms;
    },
  };
}

async function pan(bytes, type) {
  const picture = await createImageBitmap(new Blob([bytes], { type }));
  const size = fit(picture.width, picture.height);
  const length = 50;
  return {
    ...size,
    from: 'a pan over a still picture',
    length,
    async draw(context, i) {
      const moment = i / (length - 1);
      const zoom = 0.82 - 0.12 * moment;
      const width = picture.width * zoom;
      const height = picture.height * zoom;
      const x = (picture.width - width) * moment;
      const y = (picture.height - height) / 2;
      context.drawImage(picture, x, y, width, height, 0, 0, size.width, size.height);
      return 40;
    },
  };
}

// Even numbers: some codecs take no others.
function fit(width, height) {
  const scale = Math.min(1, BOX / Math.max(width, height));
  const even = (value) => Math.max(2, 2 * Math.round((value * scale) / 2));
  return { width: even(width), height: even(height) };
}

// --- Video ----------------------------------------------------------------------------------------------

async function encode(film, ctx) {
  if (typeof VideoEncoder !== 'function') return null;
  for (const [codec, name] of [['vp8', 'V_VP8'], ['vp09.00.10.08', 'V_VP9']]) {
    const config = { codec, width: film.width, height: film.height, bitrate: 900000 };
    const { supported } = await VideoEncoder.isConfigSupported(config);
    if (!supported) continue;
    const blocks = [];
    let failed = null;
    const encoder = new VideoEncoder({
      output(chunk) {
        const data = new Uint8Array(chunk.byteLength);
        chunk.copyTo(data);
        blocks.push({ ms: Math.round(chunk.timestamp / 1000), key: chunk.type === 'key', data });
      },
      error(error) {
        failed = error;
      },
    });
    encoder.configure(config);
    const canvas = new OffscreenCanvas(film.width, film.height);
    const context = canvas.getContext('2d');
    let ms = 0;
    for (let i = 0; i < film.length && ms < CLIP_MS_MAX && !failed; i++) {
      const stands = await film.draw(context, i);
      const frame = new VideoFrame(canvas, { timestamp: ms * 1000, duration: stands * 1000 });
      encoder.encode(frame, { keyFrame: i % 50 === 0 });
      frame.close();
      ms += stands;
    }
    if (!failed) await encoder.flush();
    if (failed) throw failed;
    encoder.close();
    ctx.log(name + ', ' + ms + ' ms');
    return webm(name, film, blocks, ms);
  }
  return null;
}

// A WebM file is elements in elements: an id, a size, what is inside. See matroska.org/technical/elements.html
function webm(codec, { width, height }, blocks, ms) {
  const duration = new DataView(new ArrayBuffer(8));
  duration.setFloat64(0, ms);
  return join([
    element('1a45dfa3', [
      ...[element('4286', [number(1)]), element('42f7', [number(1)]), element('42f2', [number(4)])],
      ...[element('42f3', [number(8)]), element('4282', [text('webm')])],
      ...[element('4287', [number(2)]), element('4285', [number(2)])],
    ]),
    element('18538067', [
      element('1549a966', [
        element('2ad7b1', [number(1000000)]),
        element('4489', [new Uint8Array(duration.buffer)]),
        element('4d80', [text('Manyhands')]),
        element('5741', [text('Manyhands')]),
      ]),
      element('1654ae6b', [
        element('ae', [
          ...[element('d7', [number(1)]), element('73c5', [number(1)]), element('83', [number(1)])],
          element('86', [text(codec)]),
          element('e0', [element('b0', [number(width)]), element('ba', [number(height)])]),
        ]),
      ]),
      // One cluster: its blocks count their milliseconds in 16 bits, which is why clips are short.
      element('1f43b675', [
        element('e7', [number(0)]),
        ...blocks.map(({ ms, key, data }) =>
          element('a3', [Uint8Array.of(0x81, ms >> 8, ms & 255, key ? 0x80 : 0), data]),
        ),
      ]),
    ]),
  ]);
}

const element = (id, inside) => {
  const size = inside.reduce((sum, part) => sum + part.length, 0);
  const name = Uint8Array.from(id.match(/../g), (pair) => parseInt(pair, 16));
  return join([name, Uint8Array.of(0x08), number(size), ...inside]);
};
const number = (value) => Uint8Array.of(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
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

// --- Without a video encoder: still WebP pictures in one file -------------------------------------------

async function animatedWebp(film) {
  const canvas = new OffscreenCanvas(film.width, film.height);
  const context = canvas.getContext('2d');
  const step = Math.ceil(film.length / 24);
  const frames = [];
  for (let i = 0; i < film.length; i += step) {
    const ms = step * (await film.draw(context, i));
    const blob = await canvas.convertToBlob({ type: 'image/webp', quality: 0.8 });
    if (blob.type !== 'image/webp') throw new Error('this browser writes neither video nor WebP');
    const still = new Uint8Array(await blob.arrayBuffer());
    frames.push(chunk('ANMF', [little(0), little(0), little(film.width - 1), little(film.height - 1), little(ms), [0], ...picture(still)]));
  }
  const head = chunk('VP8X', [[2, 0, 0, 0], little(film.width - 1), little(film.height - 1)]);
  return chunk('RIFF', [text('WEBP'), head, chunk('ANIM', [[0, 0, 0, 0, 0, 0]]), ...frames]);
}

function picture(webp) {
  const view = new DataView(webp.buffer);
  const found = [];
  for (let at = 12; at + 8 <= webp.length; ) {
    const size = view.getUint32(at + 4, true);
    const next = at + 8 + size + (size % 2);
    if (webp[at + 3] !== 0x58) found.push(webp.subarray(at, next)); // all but VP8X
    at = next;
  }
  return found;
}

function chunk(name, parts) {
  const size = parts.reduce((sum, part) => sum + part.length, 0);
  const padded = size % 2 ? [[0]] : [];
  return join([text(name), Uint8Array.of(size & 255, (size >> 8) & 255, (size >> 16) & 255, size >>> 24), ...parts, ...padded]);
}
const little = (value) => [value & 255, (value >> 8) & 255, (value >> 16) & 255];
`;

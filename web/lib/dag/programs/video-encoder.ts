// The VideoEncoder of the product upload, as a step's program. What a browser's worker can do without a network: it has
// no video element and, in the sandbox, no WebCodecs; but it decodes and writes WebP, and a WebP picture is a VP8 key
// frame. So a clip comes in as an animation, and goes out as a video of key frames.
import { MOVING_PICTURES } from './moving-pictures.ts';
import { WEBM } from './webm.ts';

const ENCODER = `// A short clip of the product, as a WebM video. Runs in a browser that lends a core.
// In: an animated GIF or WebP (each of its frames), or a still picture (a camera pans over it).
// Out: VP8. With WebCodecs, where the browser gives them to a sandbox; else each frame is written as a WebP picture,
// which is a VP8 key frame in another envelope: a true video, and larger than it need be.
const BOX = 480;
const FRAMES_MAX = 240;
const CLIP_MS_MAX = 30000;

export default async ({ input, steps }, ctx) => {
  const upload = input.clip ?? steps.Uploaded;
  const bytes = await ctx.payload(upload);
  const moving = animation(bytes);
  const film = moving ? played(moving) : await pan(bytes, upload.contentType);
  ctx.log(film.length + ' frames of ' + film.width + ' × ' + film.height + ', ' + film.from);
  const codec = typeof VideoEncoder === 'function' && (await videoCodec(film));
  const { blocks, ms } = codec ? await encoded(film, codec) : await keyFrames(film);
  const video = webm('V_VP8', film, blocks, ms);
  ctx.log(ms + ' ms, ' + video.length + ' bytes, ' + (codec ? 'by WebCodecs' : 'every frame a key frame'));
  return { bytes: video, contentType: 'video/webm' };
};

// --- Films: paint(context, i) paints one frame after the other, and says how long it stands ----------------

function played({ kind, width, height, frames }) {
  const size = fit(width, height);
  const willReadFrequently = frames.some(({ restore }) => restore);
  const stage = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently });
  return {
    ...size,
    from: 'out of an animated ' + kind,
    length: Math.min(frames.length, FRAMES_MAX),
    async paint(context, i) {
      const { x, y, ms, clear, over, restore, ...frame } = frames[i];
      const under = restore ? stage.getImageData(0, 0, width, height) : null;
      const image = await frame.image();
      if (!over) stage.clearRect(x, y, frame.width, frame.height);
      stage.drawImage(image, x, y);
      image.close();
      context.drawImage(stage.canvas, 0, 0, size.width, size.height);
      if (clear) stage.clearRect(x, y, frame.width, frame.height);
      if (under) stage.putImageData(under, 0, 0);
      return Math.max(20, ms);
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
    async paint(context, i) {
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

async function eachFrame(film, take) {
  const canvas = new OffscreenCanvas(film.width, film.height);
  const context = canvas.getContext('2d', { alpha: false });
  let ms = 0;
  for (let i = 0; i < film.length && ms < CLIP_MS_MAX; i++) {
    context.fillStyle = 'white';
    context.fillRect(0, 0, film.width, film.height);
    const stands = await film.paint(context, i);
    await take(canvas, ms, i);
    ms += stands;
  }
  return ms;
}

// --- Frames become VP8 ------------------------------------------------------------------------------------

async function keyFrames(film) {
  const blocks = [];
  const ms = await eachFrame(film, async (canvas, ms) => {
    const blob = await canvas.convertToBlob({ type: 'image/webp', quality: 0.75 });
    if (blob.type !== 'image/webp') throw new Error('this browser writes neither video nor WebP');
    blocks.push({ ms, key: true, data: vp8Of(new Uint8Array(await blob.arrayBuffer())) });
  });
  return { blocks, ms };
}

function vp8Of(webp) {
  const view = new DataView(webp.buffer);
  for (let at = 12; at + 8 <= webp.length; ) {
    const size = view.getUint32(at + 4, true);
    if (view.getUint32(at) === 0x56503820) return webp.subarray(at + 8, at + 8 + size); // 'VP8 '
    at += 8 + size + (size % 2);
  }
  throw new Error('this browser wrote a WebP that is no VP8');
}

async function videoCodec({ width, height }) {
  const config = { codec: 'vp8', width, height, bitrate: 900000 };
  return (await VideoEncoder.isConfigSupported(config)).supported ? config : null;
}

async function encoded(film, config) {
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
  const ms = await eachFrame(film, (canvas, ms, i) => {
    if (failed) throw failed;
    const frame = new VideoFrame(canvas, { timestamp: ms * 1000 });
    encoder.encode(frame, { keyFrame: i % 50 === 0 });
    frame.close();
  });
  await encoder.flush();
  encoder.close();
  return { blocks, ms };
}
`;

export const VIDEO_ENCODER = `${ENCODER}\n${MOVING_PICTURES}\n${WEBM}`;

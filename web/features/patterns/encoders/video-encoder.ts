// The VideoEncoder: two seconds of a camera that pans over the picture, recorded as they pass. Where nothing records,
// the frames are pictures one after the other in one file (an animated WebP).
import { type Frame, writeAnimation } from './animated-webp.ts';
import type { EncodedPicture } from './messages.ts';
import { fitBox, panAt, type Size } from './sizes.ts';

const BOX: Size = { width: 640, height: 480 };
const CLIP_MS = 2_000;
const FRAMES_PER_SECOND = 25;
const BITS_PER_SECOND = 1_200_000;
const ANIMATION_FRAMES = 16;
const RECORD_MAX_MS = 15_000;
const TYPES = ['video/webm;codecs=vp9', 'video/webm;codecs=vp8', 'video/webm', 'video/mp4'];

export async function encodeClip(original: Blob): Promise<EncodedPicture> {
  const picture = await createImageBitmap(original);
  try {
    const size = fitBox(picture, BOX);
    const canvas = document.createElement('canvas');
    Object.assign(canvas, size);
    const context = canvas.getContext('2d');
    if (!context) throw new Error('this browser cannot draw');
    const draw = (moment: number) => {
      const { x, y, width, height } = panAt(picture, moment);
      context.drawImage(picture, x, y, width, height, 0, 0, size.width, size.height);
    };
    const type = recordableType();
    const blob = type === null ? await animate(canvas, draw) : await record(canvas, draw, type);
    return { blob, ...size };
  } finally {
    picture.close();
  }
}

function recordableType(): string | null {
  if (typeof MediaRecorder === 'undefined' || !('captureStream' in HTMLCanvasElement.prototype)) {
    return null;
  }
  return TYPES.find((type) => MediaRecorder.isTypeSupported(type)) ?? null;
}

async function record(
  canvas: HTMLCanvasElement,
  draw: (moment: number) => void,
  mimeType: string,
): Promise<Blob> {
  draw(0);
  const stream = canvas.captureStream(FRAMES_PER_SECOND);
  const recorder = new MediaRecorder(stream, { mimeType, videoBitsPerSecond: BITS_PER_SECOND });
  const chunks: Blob[] = [];
  recorder.ondataavailable = ({ data }) => chunks.push(data);
  const stopped = new Promise<void>((resolve, reject) => {
    recorder.onstop = () => resolve();
    recorder.onerror = () => reject(new Error('the clip could not be recorded'));
    setTimeout(() => reject(new Error('the clip was not recorded in time')), RECORD_MAX_MS);
  });
  const beganMs = performance.now();
  // A timer and not the screen's own rhythm: that stands still in a hidden tab.
  const timer = setInterval(() => {
    const moment = (performance.now() - beganMs) / CLIP_MS;
    draw(Math.min(1, moment));
    if (moment >= 1 && recorder.state === 'recording') recorder.stop();
  }, 1000 / FRAMES_PER_SECOND);
  try {
    recorder.start();
    await stopped;
  } finally {
    clearInterval(timer);
    for (const track of stream.getTracks()) track.stop();
  }
  // Without its codecs: a type that everybody understands.
  return new Blob(chunks, { type: mimeType.split(';')[0] ?? mimeType });
}

async function animate(canvas: HTMLCanvasElement, draw: (moment: number) => void): Promise<Blob> {
  const frames: Frame[] = [];
  for (let i = 0; i < ANIMATION_FRAMES; i++) {
    draw(i / (ANIMATION_FRAMES - 1));
    const still = await new Promise<Blob | null>((resolve) =>
      canvas.toBlob(resolve, 'image/webp', 0.8),
    );
    if (still?.type !== 'image/webp') throw new Error('this browser can record no clip');
    frames.push({
      webp: new Uint8Array(await still.arrayBuffer()),
      durationMs: CLIP_MS / ANIMATION_FRAMES,
    });
  }
  const bytes = writeAnimation(frames, { width: canvas.width, height: canvas.height });
  return new Blob([bytes], { type: 'image/webp' });
}

// A short clip of something to sell, as an animated WebP: the picture swings as if it hung on a thread. Null where the
// browser writes no WebP.
import { type Frame, writeAnimation } from './animated-webp.ts';

const WIDTH = 400;
const HEIGHT = 300;
const FRAMES = 20;
const FRAME_MS = 90;
const SWING_RADIANS = 0.09;

export async function drawClip(picture: Blob): Promise<Blob | null> {
  const bitmap = await createImageBitmap(picture);
  try {
    const canvas = document.createElement('canvas');
    Object.assign(canvas, { width: WIDTH, height: HEIGHT });
    const context = canvas.getContext('2d');
    if (!context) throw new Error('this browser cannot draw');
    const frames: Frame[] = [];
    for (let i = 0; i < FRAMES; i++) {
      const angle = SWING_RADIANS * Math.sin((2 * Math.PI * i) / FRAMES);
      context.save();
      context.translate(WIDTH / 2, 0);
      context.rotate(angle);
      // A little larger than the frame, so that no corner is left bare.
      context.drawImage(bitmap, -0.6 * WIDTH, -0.1 * HEIGHT, 1.2 * WIDTH, 1.2 * HEIGHT);
      context.restore();
      const still = await new Promise<Blob | null>((resolve) =>
        canvas.toBlob(resolve, 'image/webp', 0.7),
      );
      if (still?.type !== 'image/webp') return null;
      frames.push({ webp: new Uint8Array(await still.arrayBuffer()), durationMs: FRAME_MS });
    }
    const bytes = writeAnimation(frames, { width: WIDTH, height: HEIGHT });
    return new Blob([bytes], { type: 'image/webp' });
  } finally {
    bitmap.close();
  }
}

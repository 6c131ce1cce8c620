// A file of a camera (MP4, WebM) as an animated WebP. Only a page has a video element that can play it, so this is done
// before the upload; what travels from here on are frames that a volunteer's worker can take apart.
import { type Frame, writeAnimation } from './animated-webp.ts';
import { fitBox, type Size } from './sizes.ts';

const BOX: Size = { width: 480, height: 480 };
const FRAMES_PER_SECOND = 12;
const CLIP_MAX_SECONDS = 8;
const STEP_MAX_MS = 10_000;

export async function readVideo(file: Blob): Promise<Blob> {
  const url = URL.createObjectURL(file);
  const video = document.createElement('video');
  try {
    Object.assign(video, { muted: true, playsInline: true, preload: 'auto', src: url });
    await happens(video, 'loadeddata');
    const size = fitBox({ width: video.videoWidth, height: video.videoHeight }, BOX);
    const canvas = document.createElement('canvas');
    Object.assign(canvas, size);
    const context = canvas.getContext('2d', { alpha: false });
    if (!context) throw new Error('this browser cannot draw');
    // What was recorded as it came often does not know how long it is: then its end says so.
    const seconds = Math.min(CLIP_MAX_SECONDS, video.duration);
    const frames: Frame[] = [];
    for (let i = 0; i / FRAMES_PER_SECOND < seconds; i++) {
      const seeked = happens(video, 'seeked');
      video.currentTime = i / FRAMES_PER_SECOND;
      await seeked;
      if (video.ended) break;
      context.drawImage(video, 0, 0, size.width, size.height);
      const still = await new Promise<Blob | null>((resolve) =>
        canvas.toBlob(resolve, 'image/webp', 0.8),
      );
      if (still?.type !== 'image/webp') throw new Error('this browser writes no WebP');
      const webp = new Uint8Array(await still.arrayBuffer());
      frames.push({ webp, durationMs: 1_000 / FRAMES_PER_SECOND });
    }
    if (frames.length === 0) throw new Error('this video has no frames');
    return new Blob([writeAnimation(frames, size)], { type: 'image/webp' });
  } finally {
    video.removeAttribute('src');
    video.load();
    URL.revokeObjectURL(url);
  }
}

function happens(video: HTMLVideoElement, event: 'loadeddata' | 'seeked'): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = new AbortController();
    const end = (settle: () => void) => () => {
      stop.abort();
      clearTimeout(timer);
      settle();
    };
    const fail = (message: string) => end(() => reject(new Error(message)));
    const timer = setTimeout(fail('the video could not be read in time'), STEP_MAX_MS);
    const { signal } = stop;
    video.addEventListener(event, end(resolve), { signal });
    video.addEventListener('error', fail('this browser cannot read this video'), { signal });
  });
}

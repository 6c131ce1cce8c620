// The ImageEncoder's own thread: decodes a picture once and writes it anew in each size. What a browser cannot write as
// asked (Safari and WebP) it writes as PNG, and the blob says so.
import { fitWidth } from './sizes.ts';
import type { EncodeAnswer, EncodedPicture, EncodeRequest } from './messages.ts';

async function encode(request: EncodeRequest): Promise<EncodedPicture[]> {
  const picture = await createImageBitmap(request.original);
  try {
    const pictures: EncodedPicture[] = [];
    for (const wanted of request.widths) {
      const { width, height } = fitWidth(picture, wanted);
      const canvas = new OffscreenCanvas(width, height);
      const context = canvas.getContext('2d');
      if (!context) throw new Error('this browser cannot draw in a worker');
      context.imageSmoothingQuality = 'high';
      context.drawImage(picture, 0, 0, width, height);
      const { type, quality } = request;
      pictures.push({ blob: await canvas.convertToBlob({ type, quality }), width, height });
    }
    return pictures;
  } finally {
    picture.close();
  }
}

self.addEventListener('message', ({ data }: MessageEvent<EncodeRequest>) => {
  const answer = (said: EncodeAnswer) => self.postMessage(said);
  encode(data).then(
    (pictures) => answer({ id: data.id, ok: true, pictures }),
    (error: unknown) => answer({ id: data.id, ok: false, message: String(error) }),
  );
});

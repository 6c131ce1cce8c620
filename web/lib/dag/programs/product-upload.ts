// The product upload as a DAG job: an upload, two encoders side by side in browsers, a product when both are done. The
// editor begins with it, and the pattern's page runs it on pictures that are really uploaded.
import type { Claim } from '../../../../shared/schemas/claim.ts';
import type { DagSpecInput } from '../../../../shared/schemas/dag.ts';
import { VIDEO_ENCODER } from './video-encoder.ts';

const UPLOADED = `// What was uploaded is a ticket: the bytes wait on the shelf. Without one a picture is painted here, so that this
// runs as it stands.
export default ({ input }, ctx) => {
  if (input.picture) return input.picture;
  ctx.log('nothing was uploaded: painting a sunrise');
  return { bytes: sunrise(480, 360), contentType: 'image/bmp' };
};

// A BMP is a header and the pixels, blue, green, red, from below.
function sunrise(width, height) {
  const header = 54;
  const view = new DataView(new ArrayBuffer(header + 3 * width * height));
  view.setUint16(0, 0x424d);
  view.setUint32(2, view.byteLength, true);
  view.setUint32(10, header, true);
  view.setUint32(14, 40, true);
  view.setUint32(18, width, true);
  view.setUint32(22, height, true);
  view.setUint16(26, 1, true);
  view.setUint16(28, 24, true);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const sun = Math.hypot(x - width / 2, y - height / 3) < height / 5;
      const up = y / height;
      const colour = sun ? [90, 210, 255] : up < 1 / 3 ? [110, 70, 40] : [130 + 90 * up, 150, 250 - 130 * up];
      colour.forEach((tone, i) => view.setUint8(header + 3 * (y * width + x) + i, tone));
    }
  }
  return view.buffer;
}
`;

const IMAGE_ENCODER = `// Writes the picture anew as WebP, for one of the widths. Runs in a browser that lends a core.
export default async ({ steps, item: widest }, ctx) => {
  const original = steps.Uploaded;
  const bytes = await ctx.payload(original);
  const picture = await createImageBitmap(new Blob([bytes], { type: original.contentType }));
  const width = Math.min(widest, picture.width);
  const height = Math.max(1, Math.round((picture.height * width) / picture.width));
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d');
  context.imageSmoothingQuality = 'high';
  context.drawImage(picture, 0, 0, width, height);
  ctx.log(picture.width + ' × ' + picture.height + ' → ' + width + ' × ' + height);
  // Bytes become a ticket by themselves. A browser that writes no WebP (Safari) gives a PNG, and says so.
  return canvas.convertToBlob({ type: 'image/webp', quality: 0.82 });
};
`;

const PRODUCT_CREATOR = `// Called once both encoders are done. All of these are tickets: no picture ever passes through here.
export default ({ input, steps }) => ({
  productId: input.productId,
  original: steps.Uploaded,
  images: steps.ImageEncoder,
  clip: steps.VideoEncoder,
});
`;

export const PRODUCT_WIDTHS = [960, 480, 160];

/** What a person uploads. Without a clip, a camera pans over the picture. */
export interface ProductInput {
  productId: string;
  picture: Claim | null;
  clip: Claim | null;
}

export const productUpload = ({ productId, picture, clip }: ProductInput) =>
  ({
    kind: 'dag',
    name: 'product upload',
    input: {
      productId,
      picture: picture && { ...picture },
      clip: clip && { ...clip },
      widths: PRODUCT_WIDTHS,
    },
    steps: {
      Uploaded: { run: 'edge', code: UPLOADED },
      ImageEncoder: {
        needs: ['Uploaded'],
        run: 'volunteer',
        forEach: 'input.widths',
        retry: { maxAttempts: 3 },
        timeoutMs: 60_000,
        code: IMAGE_ENCODER,
      },
      VideoEncoder: {
        needs: ['Uploaded'],
        run: 'volunteer',
        retry: { maxAttempts: 3 },
        timeoutMs: 120_000,
        code: VIDEO_ENCODER,
      },
      ProductCreator: {
        needs: ['Uploaded', 'ImageEncoder', 'VideoEncoder'],
        run: 'edge',
        code: PRODUCT_CREATOR,
      },
    },
  }) satisfies DagSpecInput;

/** What ProductCreator makes. */
export interface CreatedProduct {
  productId: string;
  original: Claim;
  images: Claim[];
  clip: Claim;
}

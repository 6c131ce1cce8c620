// Uploads of the DAG pattern's page: the files go to the shelf, their tickets into the input of a run. Which run is
// shown stands in the address, so that a reload shows it again.
import type { DagSpecInput } from '../../../../shared/schemas/dag.ts';
import { RECORD_MAX_BYTES } from '../../../../shared/limits.ts';
import type { Problem } from '../../../../shared/schemas/problem.ts';
import { asProblem, client } from '../../../lib/api.ts';
import { bytes } from '../../../lib/format.ts';
import { router } from '../../../lib/router.svelte.ts';
import { productUpload } from '../../../lib/dag/programs/product-upload.ts';
import { drawClip } from '../encoders/draw-clip.ts';
import { drawProduct } from '../encoders/draw-product.ts';
import { readVideo } from '../encoders/read-video.ts';
import { productIdea, productIdOf } from '../examples/products.ts';

/** Both travel to a volunteer in one record, as base64. */
export const UPLOAD_MAX_BYTES = Math.floor(RECORD_MAX_BYTES * 0.74);

export interface Upload {
  productId: string;
  picture: Blob;
  clip: Blob | null;
}

export type Uploads = ReturnType<typeof createUploads>;

export function createUploads() {
  let busy = $state('');
  let problem = $state.raw<Problem | null>(null);
  let says = $state('');
  /** What was asked for last, for its curl. */
  let spec = $state.raw<DagSpecInput | null>(null);

  async function begin(make: () => Promise<Upload>): Promise<void> {
    if (busy !== '') return;
    problem = null;
    says = '';
    try {
      busy = 'Preparing';
      const { productId, picture, clip } = await make();
      const size = picture.size + (clip?.size ?? 0);
      if (size > UPLOAD_MAX_BYTES) {
        says = `The files have ${bytes(size)} together; a volunteer gets ${bytes(UPLOAD_MAX_BYTES)} at most.`;
        return;
      }
      busy = 'Uploading';
      const [pictureClaim, clipClaim] = await Promise.all([
        client.claims.store(picture),
        clip ? client.claims.store(clip) : null,
      ]);
      busy = 'Submitting';
      const asked = productUpload({ productId, picture: pictureClaim, clip: clipClaim });
      const { id } = await client.jobs.submit(asked);
      spec = asked;
      says = `${productId}: ${bytes(size)} on the shelf, the run is on its way`;
      router.setQuery({ run: id }, { replace: false });
    } catch (error) {
      problem = asProblem(error);
    } finally {
      busy = '';
    }
  }

  return {
    /** What is being done; empty when nothing is. */
    get busy() {
      return busy;
    },
    get problem() {
      return problem;
    },
    get says() {
      return says;
    },
    get spec() {
      return spec;
    },
    drawn: () =>
      begin(async () => {
        const idea = productIdea(Math.random);
        const picture = await drawProduct(idea);
        return { productId: idea.id, picture, clip: await drawClip(picture) };
      }),
    files: (picture: File, clip: File | null) =>
      begin(async () => ({
        productId: productIdOf(picture.name, Math.random()),
        picture,
        clip: clip?.type.startsWith('video/') ? await readVideo(clip) : clip,
      })),
  };
}

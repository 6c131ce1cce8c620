// What the ProductCreator of a run made, as far as it is what this page's definition makes: the same page may be opened
// with another run's id. Pure.
import { Claim } from '../../../../shared/schemas/claim.ts';
import type { DagJob } from '../../../../shared/schemas/dag.ts';
import type { CreatedProduct } from '../../../lib/dag/programs/product-upload.ts';

export function createdProduct({ steps }: Pick<DagJob, 'steps'>): CreatedProduct | null {
  const { output } = steps['ProductCreator'] ?? {};
  if (typeof output !== 'object' || output === null || Array.isArray(output)) return null;
  const { productId, original, images, clip } = output;
  const read = {
    original: Claim.safeParse(original),
    images: Claim.array().safeParse(images),
    clip: Claim.safeParse(clip),
  };
  if (!read.original.success || !read.images.success || !read.clip.success) return null;
  return {
    productId: String(productId),
    original: read.original.data,
    images: read.images.data,
    clip: read.clip.data,
  };
}

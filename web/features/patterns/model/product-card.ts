// A ProductCreated event as a card: its largest picture, its other sizes, its clip, and what it had to do without. Pure.
import type { Claim } from '../../../../shared/schemas/claim.ts';
import type { StreamEvent } from '../../../../shared/schemas/stream.ts';
import type { Media } from '../examples/products.ts';

export interface ProductCard {
  id: string;
  original: Claim | null;
  /** Largest first. */
  images: Media[];
  clip: Media | null;
  missing: string[];
}

export function productCard({ key, payload }: Pick<StreamEvent, 'key' | 'payload'>): ProductCard {
  const {
    original = null,
    images = [],
    clip = null,
  } = (payload ?? {}) as unknown as Partial<ProductCard>;
  const missing = [
    original ? '' : 'the original',
    images.length > 0 ? '' : 'its pictures',
    clip ? '' : 'its clip',
  ];
  return {
    id: key ?? '',
    original,
    images: images.toSorted((a, b) => b.width - a.width),
    clip,
    missing: missing.filter((part) => part !== ''),
  };
}

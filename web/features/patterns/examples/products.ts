// Join: a product is in the catalogue when its original, its pictures and its clip are there, in whatever order they
// come. A ticket keeps its payload on the shelf only while an event carries it, so that each picture also travels
// alone, as a Rendition; the join passes over those.
import type { Claim } from '../../../../shared/schemas/claim.ts';
import type { JoinRules } from '../../../../shared/schemas/processor.ts';
import type { EventInput } from '../../../../shared/schemas/stream.ts';
import type { Example, RestCall } from './example.ts';
import { pick, putProcessor, putStream } from './example.ts';

export const PRODUCT_TYPES = ['ProductUploaded', 'ImageEncoded', 'VideoEncoded'] as const;

export const CREATOR_CODE = `// Called once a product: when all three are there, or when the time is over and something is still missing (null).
export function process({ ProductUploaded, ImageEncoded, VideoEncoded }, ctx) {
  return {
    type: 'ProductCreated',
    key: ctx.key,
    payload: {
      productId: ctx.key,
      original: ProductUploaded?.claim ?? null,
      images: ImageEncoded?.payload.images ?? [],
      clip: VideoEncoded?.payload.clip ?? null,
    },
  };
}
`;

export type OnTimeout = JoinRules['onTimeout'];

export function creatorSpec(timeoutMs: number, onTimeout: OnTimeout) {
  return {
    stream: 'products',
    kind: 'join',
    keyBy: 'key',
    join: { types: [...PRODUCT_TYPES], timeoutMs, onTimeout },
    output: 'catalogue',
    late: 'products-late',
    code: CREATOR_CODE,
    retry: { maxAttempts: 3, baseMs: 300, maxMs: 1_000 },
    startFrom: 'earliest',
  };
}

export const TIMEOUT_DEFAULT_MS = 60_000;

export const PRODUCTS: Example = {
  setUp: [
    putStream('products', { partitions: 4 }, 'what is uploaded, and what encoders make of it'),
    putStream('catalogue', { partitions: 1 }, 'products that are complete'),
    putStream('products-late', { partitions: 1 }, 'what came when it was too late'),
    putProcessor(
      'product-creator',
      creatorSpec(TIMEOUT_DEFAULT_MS, 'emit-partial'),
      'waits for the three, by product',
    ),
  ],
  streams: ['products', 'catalogue', 'products-late'],
  processors: ['product-creator'],
  schedules: [],
};

export const changeRules = (timeoutMs: number, onTimeout: OnTimeout): RestCall =>
  putProcessor(
    'product-creator',
    creatorSpec(timeoutMs, onTimeout),
    'products that begin to wait from now on wait so long',
  );

/** A payload on the shelf that is a picture or a clip. */
export interface Media extends Claim {
  width: number;
  height: number;
}

export const productUploaded = (productId: string, original: Claim): EventInput => ({
  type: 'ProductUploaded',
  id: `${productId}-uploaded`,
  key: productId,
  claim: original,
});

export const imageEncoded = (productId: string, images: readonly Media[]): EventInput[] => [
  ...images.map((image) => rendition(productId, image)),
  {
    type: 'ImageEncoded',
    id: `${productId}-images`,
    key: productId,
    payload: { productId, images: images.map((image) => ({ ...image })) },
  },
];

export const videoEncoded = (productId: string, clip: Media): EventInput[] => [
  rendition(productId, clip),
  {
    type: 'VideoEncoded',
    id: `${productId}-clip`,
    key: productId,
    payload: { productId, clip: { ...clip } },
  },
];

const rendition = (
  productId: string,
  { token, bytes, sha256, contentType }: Media,
): EventInput => ({
  type: 'Rendition',
  id: `${productId}-${token}`,
  key: productId,
  claim: { token, bytes, sha256, contentType },
});

/** The same event under another id: to the log it is another event. */
export const asAnother = (event: EventInput): EventInput => ({ ...event, id: `${event.id}-again` });

const COLOURS = ['amber', 'blue', 'coral', 'green', 'indigo', 'teal'] as const;
export const THINGS = ['kite', 'lamp', 'mug', 'pot'] as const;

export interface ProductIdea {
  id: string;
  thing: (typeof THINGS)[number];
  hue: number;
}
const HUES: Record<(typeof COLOURS)[number], number> = {
  amber: 70,
  blue: 255,
  coral: 30,
  green: 145,
  indigo: 285,
  teal: 190,
};

/** Something to sell; its id is its name. */
export function productIdea(random: () => number): ProductIdea {
  const thing = pick(THINGS, random());
  const colour = pick(COLOURS, random());
  return { id: `${colour}-${thing}-${serial(random())}`, thing, hue: HUES[colour] };
}

/** An id out of a file's name. */
export function productIdOf(fileName: string, random: number): string {
  const name = fileName.replace(/\.[^.]*$/, '').replace(/[^\p{L}\p{N}]+/gu, '-');
  const trimmed = name.slice(0, 40).toLowerCase().replace(/^-|-$/g, '');
  return `${trimmed || 'product'}-${serial(random)}`;
}

const serial = (random: number) =>
  Math.floor(random * 36 ** 4)
    .toString(36)
    .padStart(4, '0');

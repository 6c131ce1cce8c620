// Event buffering: the log takes in what comes, the queue rings, and a slow processor works it off at its own pace.
// What cannot be done is put aside alone, with its reason, and the rest goes on.
import type { EventInput } from '../../../../shared/schemas/stream.ts';
import type { Example, RestCall } from './example.ts';
import { many, putProcessor, putStream } from './example.ts';

const code = (
  size: string,
) => `// A thumbnail for each photo. It asks who owns the photo, and that service is slow.
export async function process(event, ctx) {
  const { owner, width, height } = event.payload;
${size}
  const user = await ctx.call('users', owner);
  return {
    type: 'Thumbnail',
    key: owner,
    payload: { photo: event.id, by: user?.name ?? 'a guest', width: 128, height: Math.round((128 * height) / width) },
  };
}
`;

export const RESIZER_CODE = code(
  `  if (!(width > 0 && height > 0)) throw new Error('a photo of ' + width + ' by ' + height);`,
);
export const MENDED_RESIZER_CODE = code(
  `  if (!(width > 0 && height > 0)) return { type: 'NoThumbnail', key: owner, payload: { photo: event.id } };`,
);

const resizer = (program: string) => ({
  stream: 'photos',
  kind: 'stateless',
  types: ['PhotoUploaded'],
  output: 'thumbnails',
  code: program,
  services: { users: { url: '/api/services/users/{key}' } },
  retry: { maxAttempts: 3, baseMs: 300, maxMs: 1_000 },
  startFrom: 'earliest',
});

/** The same processor, with code that knows what to do with a photo without a size. */
export const MEND: RestCall = putProcessor(
  'resizer',
  resizer(MENDED_RESIZER_CODE),
  'the same processor, with code that can handle it',
);
export const BREAK_AGAIN: RestCall = putProcessor(
  'resizer',
  resizer(RESIZER_CODE),
  'the first code again',
);

/** How long one answer of the User Service takes while this is watched. */
export const SLOW_MS = 200;

export const BUFFERING: Example = {
  setUp: [
    putStream('photos', { partitions: 4 }, 'what people upload'),
    putStream('thumbnails', { partitions: 2 }, 'what comes out'),
    {
      method: 'PUT',
      path: '/api/services/users/_faults',
      body: { latencyMs: SLOW_MS, errorRate: 0 },
      why: 'the User Service takes its time',
    },
    putProcessor('resizer', resizer(RESIZER_CODE), 'slower than photos can come'),
  ],
  streams: ['photos', 'thumbnails'],
  processors: ['resizer'],
  schedules: [],
};

/** So many that hardly two are asked for at once: one question would be shared. */
const GUESTS = 10_000;
const guest = (random: number) => `guest-${Math.floor(GUESTS * random)}`;

export function photos(count: number, random: () => number): EventInput[] {
  return many(count, () => {
    const owner = guest(random());
    const width = 640 + Math.floor(4_000 * random());
    const height = 480 + Math.floor(3_000 * random());
    return { type: 'PhotoUploaded', key: owner, payload: { owner, width, height } };
  });
}

/** The first code can make no thumbnail of it. */
export function poisonPhoto(random: () => number): EventInput {
  const owner = guest(random());
  return { type: 'PhotoUploaded', key: owner, payload: { owner, width: 0, height: 0 } };
}

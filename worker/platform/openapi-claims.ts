// Described here: claims, the payloads that lie in storage instead of in an event.
import * as z from 'zod';
import type { ZodOpenApiPathsObject } from 'zod-openapi';
import { Claim } from '../../shared/schemas/claim.ts';
import { bytes, json, location, operation } from './openapi-operation.ts';

const tag = 'Claims';

export const claimPaths: ZodOpenApiPathsObject = {
  '/api/claims': {
    post: operation({
      id: 'storeClaim',
      tag,
      summary: 'Upload a payload of any size',
      description:
        'The body is streamed to storage and hashed on its way. The answer is what an event takes as its `claim`. A payload that no event refers to is collected after a day; otherwise it goes with the last event that does.',
      body: { ...bytes('The bytes; the Content-Type is kept with them.'), required: true },
      answers: { 201: { ...json('The claim.', Claim), headers: location('claim') } },
      problems: ['invalid_request', 'too_large'],
      curl: "-X POST -T video.mp4 -H 'content-type: video/mp4' $API/claims",
    }),
  },
  '/api/claims/{token}': {
    get: operation({
      id: 'getClaim',
      tag,
      summary: 'The bytes of a claim',
      description:
        'Compared with their hash while they are sent: when they are not what was stored, the answer breaks off. Always sent as binary; the payload’s own type is in a header.',
      params: {
        path: z.object({ token: Claim.shape.token.meta({ description: 'The claim’s token.' }) }),
      },
      answers: {
        200: {
          ...bytes('All bytes.'),
          headers: z.object({
            'claim-content-type': z.string().meta({ description: 'The payload’s own type.' }),
            etag: z.string().meta({ description: 'Its SHA-256, in quotes.' }),
          }),
        },
      },
      problems: ['invalid_request', 'not_found', 'gone'],
      curl: '$API/claims/$TOKEN -o payload',
    }),
  },
};

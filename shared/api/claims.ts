// Claims: the payloads that lie in storage instead of in an event.
import * as z from 'zod';
import { Claim } from '../schemas/claim.ts';
import { bytes, bytesBody, created, EtagConditions, nothing, resource } from './operation.ts';
import { ROUTES } from './routes.ts';

export const claims = resource(
  'claims',
  ROUTES.claims,
  {
    tag: { name: 'Claims', description: 'Payloads that are too large for an event.' },
    params: { token: Claim.shape.token.meta({ description: 'The claim’s token.' }) },
  },
  {
    store: {
      summary: 'Upload a payload of any size',
      description:
        'The body is streamed to storage and hashed on its way, as it was sent: a Content-Encoding is not undone. The answer is what an event takes as its `claim`. A payload that no event refers to is collected after a day; otherwise it goes with the last event that does.',
      body: bytesBody('The bytes; the Content-Type is kept with them.'),
      answers: { 201: created('The claim.', Claim, 'claim') },
      problems: ['invalid_request', 'too_large'],
      curl: "-X POST -T video.mp4 -H 'content-type: video/mp4' $API/claims",
    },
    bytes: {
      summary: 'The bytes of a claim',
      description:
        'Compared with their hash while they are sent: when they are not what was stored, the answer breaks off. Always sent as binary; the payload’s own type is in a header. Conditional by ETag.',
      headers: EtagConditions,
      answers: {
        200: bytes(
          'All bytes.',
          z.object({
            'claim-content-type': z.string().meta({ description: 'The payload’s own type.' }),
            etag: z.string().meta({ description: 'Its SHA-256, in quotes.' }),
          }),
        ),
        304: nothing('The claim is the one of If-None-Match.'),
      },
      problems: ['invalid_request', 'not_found', 'gone', 'precondition_failed'],
      curl: '$API/claims/$TOKEN -o payload',
    },
  },
);

// Claims: the ticket of a payload that lies in R2 instead of in the event (the claim-check pattern).
import * as z from 'zod';
import { CONTENT_TYPE_MAX_CHARS } from '../limits.ts';

export const Claim = z
  .strictObject({
    token: z.string().min(1).max(128),
    bytes: z.number().int().min(0),
    sha256: z.string().regex(/^[0-9a-f]{64}$/, '64 hex digits'),
    contentType: z.string().max(CONTENT_TYPE_MAX_CHARS),
  })
  .meta({ id: 'Claim' });
export type Claim = z.infer<typeof Claim>;

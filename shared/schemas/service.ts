// The playground's own User Service, and how it is made slow or flaky.
import * as z from 'zod';
import { NAME_MAX_CHARS } from '../limits.ts';

/** Ids that begin with an underscore are the service's own names. */
export const UserId = z
  .string()
  .min(1)
  .max(NAME_MAX_CHARS)
  .regex(/^[^_]/, 'a user’s id does not begin with an underscore');

export const UserBody = z
  .strictObject({
    id: UserId.optional().meta({ description: 'the same as in the path' }),
    name: z.string().max(200).optional(),
    email: z.string().min(1).max(320),
  })
  .meta({ id: 'UserBody' });

export const User = z
  .object({ id: z.string(), name: z.string(), email: z.string() })
  .meta({ id: 'User' });
export type User = z.infer<typeof User>;

export const Faults = z
  .strictObject({
    latencyMs: z.number().int().min(0).max(60_000).default(0),
    errorRate: z.number().min(0).max(1).default(0),
  })
  .meta({ id: 'Faults' });
export type Faults = z.infer<typeof Faults>;

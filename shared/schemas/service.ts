// The playground's own User Service, and how it is made slow or flaky.
import * as z from 'zod';

export const UserBody = z
  .strictObject({
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

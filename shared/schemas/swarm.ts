// Health, the swarm as a whole, and the volunteers one by one.
import * as z from 'zod';

export const Health = z.object({ ok: z.literal(true), version: z.string() }).meta({ id: 'Health' });
export type Health = z.infer<typeof Health>;

export const Swarm = z
  .object({
    volunteers: z.number().int(),
    cores: z.number().int(),
    tasksPerSecond: z.number(),
    jobsRunning: z.number().int(),
  })
  .meta({ id: 'Swarm' });
export type Swarm = z.infer<typeof Swarm>;

export const VOLUNTEER_STATES = ['working', 'idle', 'snoozed', 'finishing'] as const;

export const Volunteer = z
  .object({
    id: z.string(),
    name: z.string(),
    cores: z.number().int(),
    state: z.enum(VOLUNTEER_STATES),
    reputation: z.object({
      streak: z.number().int(),
      valid: z.number().int(),
      invalid: z.number().int(),
    }),
    tasks: z.number().int(),
    bytes: z.number().int(),
    network: z
      .string()
      .meta({ description: 'a keyed hash of the network prefix; never an address' }),
  })
  .meta({ id: 'Volunteer' });
export type Volunteer = z.infer<typeof Volunteer>;

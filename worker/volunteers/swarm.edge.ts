// The swarm as a whole: what all lobby shards and the catalog say, added up.
import type { List } from '../../shared/schemas/common.ts';
import type { Swarm, Volunteer } from '../../shared/schemas/swarm.ts';
import type { Env } from '../platform/env.ts';
import { catalog, lobbies } from '../stubs.ts';

export async function swarmNow(env: Env): Promise<Swarm> {
  const [jobsRunning, shards] = await Promise.all([catalog(env).jobsRunning(), presences(env)]);
  const volunteers = shards.flatMap((shard) => shard.volunteers);
  return {
    volunteers: volunteers.length,
    cores: volunteers.reduce((sum, { cores }) => sum + cores, 0),
    tasksPerSecond: shards.reduce((sum, { tasksPerSecond }) => sum + tasksPerSecond, 0),
    jobsRunning,
  };
}

/** By id: a stable order to page through. */
export async function volunteersNow(
  env: Env,
  { cursor, limit }: { cursor?: string | undefined; limit: number },
): Promise<List<Volunteer>> {
  const all = (await presences(env)).flatMap((shard) => shard.volunteers);
  const after = all
    .filter(({ id }) => cursor === undefined || id > cursor)
    .sort((a, b) => (a.id < b.id ? -1 : 1));
  const items = after.slice(0, limit);
  return { items, next: after.length > limit ? (items.at(-1)?.id ?? null) : null };
}

const presences = (env: Env) => Promise.all(lobbies(env).map((lobby) => lobby.presence()));

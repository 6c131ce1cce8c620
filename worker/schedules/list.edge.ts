// A page of schedules, each asked of its object. Each carries its code and its runs: a page ends early when it
// grows large.
import { CONNECTIONS_MAX, SCHEDULES_PAGE_BYTES } from '../../shared/limits.ts';
import type { List } from '../../shared/schemas/common.ts';
import type { Schedule } from '../../shared/schemas/schedule.ts';
import type { Env } from '../platform/env.ts';
import { catalog, scheduleObject } from '../stubs.ts';

export async function listSchedules(
  env: Env,
  cursor: string | undefined,
  limit: number,
): Promise<List<Schedule>> {
  const { items: entries, next } = await catalog(env).schedules(cursor, limit);
  const items: Schedule[] = [];
  let bytes = 0;
  for (let i = 0; i < entries.length; i += CONNECTIONS_MAX) {
    const group = entries.slice(i, i + CONNECTIONS_MAX);
    const found = await Promise.all(group.map(({ uid }) => scheduleObject(env, uid).get()));
    // One that is being put or deleted at this moment has nothing to show.
    for (const schedule of found) {
      if (!schedule) continue;
      items.push(schedule);
      bytes += JSON.stringify(schedule).length;
    }
    const last = group.at(-1);
    if (bytes > SCHEDULES_PAGE_BYTES && last && i + group.length < entries.length) {
      return { items, next: last.name };
    }
  }
  return { items, next };
}

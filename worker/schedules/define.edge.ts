// From a checked specification to a schedule that runs: enters it in the catalog, and hands it to its object.
import type { Schedule, ScheduleSpec } from '../../shared/schemas/schedule.ts';
import type { Env } from '../platform/env.ts';
import { catalog, scheduleObject } from '../stubs.ts';
import { ProblemError } from '../platform/problem.ts';

/** Throws `conflict` when it is deleted again and again meanwhile. */
export async function putSchedule(
  env: Env,
  name: string,
  spec: ScheduleSpec,
): Promise<{ created: boolean; schedule: Schedule }> {
  for (const _ of [1, 2]) {
    const before = await catalog(env).schedule(name);
    const uid = await catalog(env).putSchedule(name);
    const schedule = await scheduleObject(env, uid).put(name, uid, spec);
    if (schedule !== 'deleted') return { created: uid !== before, schedule };
    // Somebody deletes it, or did not come to the end of it: what is put now is a new one.
    await catalog(env).deleteSchedule(name, uid);
  }
  throw new ProblemError('conflict', `the schedule ${name} is being deleted`);
}

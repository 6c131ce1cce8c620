// /api/schedules: MapReduce jobs by cron.
import { checkSchedule } from '../schedules/check.edge.ts';
import { putSchedule } from '../schedules/define.edge.ts';
import { listSchedules } from '../schedules/list.edge.ts';
import type { ScheduleRpc } from '../contracts/schedule.rpc.ts';
import type { Env } from '../platform/env.ts';
import { catalog, scheduleObject } from '../stubs.ts';
import { found, ProblemError } from '../platform/problem.ts';
import { created, type Handlers, Reply } from './serve.ts';

const uidOf = async (env: Env, name: string): Promise<string> =>
  found(await catalog(env).schedule(name), `schedule ${name}`);

/** Asks the schedule's object. It may be deleted meanwhile. */
const ask = async <Value>(
  env: Env,
  name: string,
  question: (schedule: ScheduleRpc) => Promise<Value | null>,
): Promise<Value> =>
  found(await question(scheduleObject(env, await uidOf(env, name))), `schedule ${name}`);

export const scheduleHandlers: Handlers<'schedules'> = {
  list: ({ env, query: { cursor, limit } }) => listSchedules(env, cursor, limit),
  async put({ env, params: { name }, body: spec }) {
    await checkSchedule(env, spec, Date.now());
    const { created: isNew, schedule } = await putSchedule(env, name, spec);
    return isNew ? created(schedule, `/api/schedules/${name}`) : new Reply(200, schedule);
  },
  get: ({ env, params: { name } }) => ask(env, name, (schedule) => schedule.get()),
  async run({ env, params: { name } }) {
    const run = await ask(env, name, (schedule) => schedule.run());
    if (run === 'conflict') {
      throw new ProblemError('conflict', 'a run that was asked for waits for the one before it');
    }
    return run;
  },
  pause: ({ env, params: { name } }) => ask(env, name, (schedule) => schedule.pause()),
  resume: ({ env, params: { name } }) => ask(env, name, (schedule) => schedule.resume()),
  async delete({ env, params: { name } }) {
    const uid = await uidOf(env, name);
    await scheduleObject(env, uid).delete();
    await catalog(env).deleteSchedule(name, uid);
  },
};

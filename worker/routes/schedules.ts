// /api/schedules: validates, calls, answers.
import { Hono } from 'hono';
import { ListQuery, ResourceName } from '../../shared/schemas/common.ts';
import { ScheduleSpec } from '../../shared/schemas/schedule.ts';
import { checkSchedule } from '../schedules/check.edge.ts';
import { putSchedule } from '../schedules/define.edge.ts';
import { listSchedules } from '../schedules/list.edge.ts';
import type { ScheduleRpc } from '../contracts/schedule.rpc.ts';
import type { AppEnv, Env } from '../platform/env.ts';
import { catalog, scheduleObject } from '../stubs.ts';
import { notFound, ProblemError } from '../platform/problem.ts';
import { jsonBody, parse, parseQuery } from '../platform/validate.ts';

const nameOf = (name: string) => parse(ResourceName, name, 'name');

async function uidOf(env: Env, name: string): Promise<string> {
  const uid = await catalog(env).schedule(nameOf(name));
  if (uid === null) throw notFound(`schedule ${name}`);
  return uid;
}

const scheduleNamed = async (env: Env, name: string): Promise<ScheduleRpc> =>
  scheduleObject(env, await uidOf(env, name));

const found = <Value>(value: Value | null, name: string): Value => {
  if (value === null) throw notFound(`schedule ${name}`);
  return value;
};

export const scheduleRoutes = new Hono<AppEnv>()
  .get('/', async (c) => {
    const { cursor, limit } = parseQuery(c, ListQuery);
    return c.json(await listSchedules(c.env, cursor, limit));
  })
  .put('/:name', async (c) => {
    const name = nameOf(c.req.param('name'));
    const spec = parse(ScheduleSpec, await jsonBody(c.req.raw), 'body');
    await checkSchedule(c.env, spec, Date.now());
    const { created, schedule } = await putSchedule(c.env, name, spec);
    if (!created) return c.json(schedule, 200);
    return c.json(schedule, 201, { location: `/api/schedules/${name}` });
  })
  .get('/:name', async (c) => {
    const name = c.req.param('name');
    return c.json(found(await (await scheduleNamed(c.env, name)).get(), name));
  })
  .post('/:name/run', async (c) => {
    const name = c.req.param('name');
    const run = found(await (await scheduleNamed(c.env, name)).run(), name);
    if (run === 'conflict') {
      throw new ProblemError('conflict', 'a run that was asked for waits for the one before it');
    }
    return c.json(run, 202);
  })
  .post('/:name/pause', async (c) => {
    const name = c.req.param('name');
    return c.json(found(await (await scheduleNamed(c.env, name)).pause(), name));
  })
  .post('/:name/resume', async (c) => {
    const name = c.req.param('name');
    return c.json(found(await (await scheduleNamed(c.env, name)).resume(), name));
  })
  .delete('/:name', async (c) => {
    const name = c.req.param('name');
    const uid = await uidOf(c.env, name);
    await scheduleObject(c.env, uid).forget();
    await catalog(c.env).deleteSchedule(name, uid);
    return c.body(null, 204);
  });

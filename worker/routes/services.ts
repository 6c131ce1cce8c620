// /api/services: the playground's own services, and how they are made slow or flaky. Validates, calls, answers.
import { Hono } from 'hono';
import { USER_EVENTS_OWED_MAX } from '../../shared/limits.ts';
import { Faults, type User, UserBody, UserId } from '../../shared/schemas/service.ts';
import type { AppEnv } from '../platform/env.ts';
import { userService } from '../stubs.ts';
import { ProblemError } from '../platform/problem.ts';
import { jsonBody, parse } from '../platform/validate.ts';
import { playFaults, readUser } from '../demo-services/answer.edge.ts';
import { USERS_STREAM } from '../demo-services/user-events.edge.ts';

export const serviceRoutes = new Hono<AppEnv>()
  // Before the users: it is no user's id.
  .get('/users/_faults', async (c) => c.json(await userService(c.env).faults()))
  .put('/users/_faults', async (c) => {
    const faults = parse(Faults, await jsonBody(c.req.raw), 'body');
    await userService(c.env).setFaults(faults);
    return c.json(faults);
  })
  .get('/users/:id', async (c) => c.json(await readUser(c.env, c.req.param('id'))))
  .put('/users/:id', async (c) => {
    const id = parse(UserId, c.req.param('id'), 'id');
    const body = parse(UserBody, await jsonBody(c.req.raw), 'body');
    if (body.id !== undefined && body.id !== id) {
      const message = `the body's id is ${JSON.stringify(body.id)}, the path's is ${JSON.stringify(id)}`;
      throw new ProblemError('invalid_request', message, [{ path: 'id', message }]);
    }
    const users = userService(c.env);
    // Before anything is stored: what failed has changed nothing.
    await playFaults(await users.faults());
    const user: User = { id, name: body.name ?? '', email: body.email };
    if ((await users.put(user)) === 'owing') {
      const detail = `the stream ${USERS_STREAM} has not taken the last ${USER_EVENTS_OWED_MAX} changes`;
      throw new ProblemError('unavailable', detail);
    }
    return c.json(user);
  });

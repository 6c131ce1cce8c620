// /api/services/users: the playground's own User Service, and how it is made slow or flaky.
import { USER_EVENTS_OWED_MAX } from '../../shared/limits.ts';
import type { User } from '../../shared/schemas/service.ts';
import { userService } from '../stubs.ts';
import { ProblemError } from '../platform/problem.ts';
import { playFaults, readUser } from '../demo-services/answer.edge.ts';
import { USERS_STREAM } from '../demo-services/user-events.edge.ts';
import type { Handlers } from './serve.ts';

export const userHandlers: Handlers<'users'> = {
  faults: ({ env }) => userService(env).faults(),
  async setFaults({ env, body: faults }) {
    await userService(env).setFaults(faults);
    return faults;
  },
  get: ({ env, params: { id } }) => readUser(env, id),
  async put({ env, params: { id }, body }) {
    if (body.id !== undefined && body.id !== id) {
      const message = `the body's id is ${JSON.stringify(body.id)}, the path's is ${JSON.stringify(id)}`;
      throw new ProblemError('invalid_request', message, [{ path: 'id', message }]);
    }
    const users = userService(env);
    // Before anything is stored: what failed has changed nothing.
    await playFaults(await users.faults());
    const user: User = { id, name: body.name ?? '', email: body.email };
    if ((await users.put(user)) === 'owing') {
      const detail = `the stream ${USERS_STREAM} has not taken the last ${USER_EVENTS_OWED_MAX} changes`;
      throw new ProblemError('unavailable', detail);
    }
    return user;
  },
};

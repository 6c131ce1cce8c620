// The playground's own User Service: the faults it plays, and the way that processors ask it, without network.
import type { Faults, User } from '../../shared/schemas/service.ts';
import type { Env } from '../platform/env.ts';
import { userService } from '../stubs.ts';
import { notFound, ProblemError, problemResponse } from '../platform/problem.ts';

const USER_PATH = /^\/api\/services\/users\/([^/?#]+)(?:[?#].*)?$/;

/** Answers `GET` of a path under /api/services/. Throws when there is no such service. */
export async function answerService(env: Env, path: string): Promise<Response> {
  const encoded = USER_PATH.exec(path)?.[1];
  if (encoded === undefined) throw new Error(`there is no service at ${path}`);
  try {
    return Response.json(await readUser(env, decodeURIComponent(encoded)));
  } catch (error) {
    if (error instanceof ProblemError) return problemResponse(error);
    throw error;
  }
}

/** Throws `not_found`, and `unavailable` when a fault is played. */
export async function readUser(env: Env, id: string): Promise<User> {
  const { user, faults } = await userService(env).get(id);
  await playFaults(faults);
  if (!user) throw notFound(`user ${id}`);
  return user;
}

/** Slow, then perhaps broken. Slept here and not in the object, which goes on serving others. */
export async function playFaults({ latencyMs, errorRate }: Faults): Promise<void> {
  if (latencyMs > 0) await new Promise((resolve) => setTimeout(resolve, latencyMs));
  if (Math.random() < errorRate) {
    const share = `${Math.round(errorRate * 100)} % of the calls`;
    throw new ProblemError('unavailable', `a fault is played: ${share} to the User Service fail`);
  }
}

// What the User Service tells the stream `users`. The event's id says which change it tells of, so that telling
// twice is telling once.
import { isoTime } from '../../shared/iso-time.ts';
import type { User } from '../../shared/schemas/service.ts';
import type { Env } from '../platform/env.ts';
import { ProblemError } from '../platform/problem.ts';
import { appendEvents } from '../log/append.edge.ts';
import type { NewEvent } from '../log/events.ts';
import type { StreamDefinition } from '../contracts/names.ts';
import { putStream, streamNamed } from '../log/streams.edge.ts';

export const USERS_STREAM = 'users';

/** A change of a user; revisions count from 1. */
export interface UserChange {
  user: User;
  revision: number;
  atMs: number;
}

export const userEvent = ({ user, revision, atMs }: UserChange): NewEvent => ({
  id: `user-${user.id}-${revision}`,
  type: 'UserInformationUpdated',
  key: user.id,
  time: isoTime(atMs),
  // The user as the service shows it, and the name that other events call it by.
  payload: JSON.stringify({ ...user, userId: user.id }),
  claim: null,
  source: null,
});

/** Appends in order, into a stream that is made when it is missing. Throws ProblemErrors. */
export async function tellChanges(env: Env, changes: UserChange[]): Promise<void> {
  await appendEvents(env, await usersStream(env), changes.map(userEvent));
}

async function usersStream(env: Env): Promise<StreamDefinition> {
  try {
    return await streamNamed(env, USERS_STREAM);
  } catch (error) {
    if (!(error instanceof ProblemError && error.code === 'not_found')) throw error;
  }
  return (await putStream(env, USERS_STREAM, {})).stream;
}

// The playground's own User Service, which processors call, and its faults.
import * as z from 'zod';
import { Faults, User, UserBody, UserId } from '../schemas/service.ts';
import { json, jsonBody, resource } from './operation.ts';
import { ROUTES } from './routes.ts';

export const users = resource(
  'users',
  ROUTES.users,
  {
    tag: {
      name: 'Services',
      description: 'What processors may ask: the playground’s own User Service.',
    },
    params: { id: z.string().meta({ description: 'The user’s id.' }) },
  },
  {
    get: {
      summary: 'A user',
      description: 'As slow, and failing as often, as the faults say.',
      answers: { 200: json('The user.', User) },
      problems: ['invalid_request', 'not_found', 'unavailable'],
      curl: '$API/services/users/u1',
    },
    put: {
      params: { id: UserId.meta({ description: 'The user’s id.' }) },
      summary: 'Create or change a user',
      description:
        'Also appends `UserInformationUpdated` to the stream `users`, which is created when there is none.',
      body: jsonBody(UserBody),
      answers: { 200: json('The user.', User) },
      problems: ['invalid_request', 'too_large', 'unavailable'],
      curl: `-X PUT $API/services/users/u1 -H 'content-type: application/json' -d '{"name": "Ada", "email": "ada@example.com"}'`,
    },
    faults: {
      summary: 'How slow and flaky the User Service is made to be',
      answers: { 200: json('The faults.', Faults) },
      curl: '$API/services/users/_faults',
    },
    setFaults: {
      summary: 'Make the User Service slow or flaky',
      description:
        'Every answer waits `latencyMs`, and a share of `errorRate` of them is `unavailable`. Zeros make it well again.',
      body: jsonBody(Faults),
      answers: { 200: json('The faults.', Faults) },
      problems: ['invalid_request', 'too_large'],
      curl: `-X PUT $API/services/users/_faults -H 'content-type: application/json' -d '{"latencyMs": 2000, "errorRate": 0.3}'`,
    },
  },
);

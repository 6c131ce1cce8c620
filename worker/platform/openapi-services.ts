// Described here: the playground's own User Service, which processors call, and its faults.
import * as z from 'zod';
import type { ZodOpenApiPathsObject } from 'zod-openapi';
import { Faults, User, UserBody, UserId } from '../../shared/schemas/service.ts';
import { json, operation } from './openapi-operation.ts';

const tag = 'Services';
const path = z.object({ id: UserId.meta({ description: 'The user’s id.' }) });

export const servicePaths: ZodOpenApiPathsObject = {
  '/api/services/users/{id}': {
    get: operation({
      id: 'getUser',
      tag,
      summary: 'A user',
      description: 'As slow, and failing as often, as the faults say.',
      params: { path },
      answers: { 200: json('The user.', User) },
      problems: ['invalid_request', 'not_found', 'unavailable'],
      curl: '$API/services/users/u1',
    }),
    put: operation({
      id: 'putUser',
      tag,
      summary: 'Create or change a user',
      description:
        'Also appends `UserInformationUpdated` to the stream `users`, which is created when there is none.',
      params: { path },
      body: { required: true, content: { 'application/json': { schema: UserBody } } },
      answers: { 200: json('The user.', User) },
      problems: ['invalid_request', 'too_large', 'unavailable'],
      curl: `-X PUT $API/services/users/u1 -H 'content-type: application/json' -d '{"name": "Ada", "email": "ada@example.com"}'`,
    }),
  },
  '/api/services/users/_faults': {
    get: operation({
      id: 'getFaults',
      tag,
      summary: 'How slow and flaky the User Service is made to be',
      answers: { 200: json('The faults.', Faults) },
      curl: '$API/services/users/_faults',
    }),
    put: operation({
      id: 'putFaults',
      tag,
      summary: 'Make the User Service slow or flaky',
      description:
        'Every answer waits `latencyMs`, and a share of `errorRate` of them is `unavailable`. Zeros make it well again.',
      body: { required: true, content: { 'application/json': { schema: Faults } } },
      answers: { 200: json('The faults.', Faults) },
      problems: ['invalid_request', 'too_large'],
      curl: `-X PUT $API/services/users/_faults -H 'content-type: application/json' -d '{"latencyMs": 2000, "errorRate": 0.3}'`,
    }),
  },
};

// Described here: health, the swarm, the volunteers and their socket, and the documentation itself.
import * as z from 'zod';
import type { ZodOpenApiPathsObject } from 'zod-openapi';
import { VolunteerId } from '../../shared/protocol.ts';
import { listOf, ListQuery } from '../../shared/schemas/common.ts';
import { Health, Swarm, Volunteer } from '../../shared/schemas/swarm.ts';
import { json, nothing, operation } from './openapi-operation.ts';

export const swarmPaths: ZodOpenApiPathsObject = {
  '/api/health': {
    get: operation({
      id: 'health',
      tag: 'Swarm',
      summary: 'Whether the edge answers, and its version',
      open: true,
      answers: { 200: json('It does.', Health) },
      curl: '$API/health',
    }),
  },
  '/api/swarm': {
    get: operation({
      id: 'swarm',
      tag: 'Swarm',
      summary: 'All volunteers together',
      open: true,
      answers: { 200: json('How many they are and how fast.', Swarm) },
      curl: '$API/swarm',
    }),
  },
  '/api/volunteers': {
    get: operation({
      id: 'listVolunteers',
      tag: 'Swarm',
      summary: 'The connected volunteers, one by one',
      params: { query: ListQuery },
      answers: { 200: json('A page of volunteers.', listOf(Volunteer)) },
      problems: ['invalid_request'],
      curl: '$API/volunteers',
    }),
  },
  '/api/volunteer': {
    get: operation({
      id: 'volunteerSocket',
      tag: 'Swarm',
      summary: 'The volunteers’ WebSocket',
      description:
        'Opens the socket over which a browser tab lends its cores. The messages are JSON text frames; those that a volunteer sends are the schema VolunteerMessage. Leases come over the socket, bytes go over the data routes under Leases.',
      open: true,
      params: {
        query: z.object({
          id: VolunteerId.meta({ description: 'The volunteer’s own id; it chooses the lobby.' }),
        }),
      },
      answers: { 101: nothing('The connection is a WebSocket from here on.') },
      problems: ['invalid_request', 'upgrade_required', 'rate_limited', 'unavailable'],
      curl: "-i -N -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: bWFueWhhbmRzLWxpZ2h0IQ==' '$API/volunteer?id=volunteer-1'",
    }),
  },
  '/api/openapi.json': {
    get: operation({
      id: 'openapi',
      tag: 'Documentation',
      summary: 'This description, as OpenAPI 3.1',
      open: true,
      answers: { 200: json('The document.', z.looseObject({ openapi: z.string() })) },
      curl: '$API/openapi.json',
    }),
  },
  '/api/docs': {
    get: operation({
      id: 'docs',
      tag: 'Documentation',
      summary: 'This description, as a page',
      open: true,
      answers: {
        200: { description: 'The page.', content: { 'text/html': { schema: z.string() } } },
      },
      curl: '$API/docs',
    }),
  },
};

// Health, the swarm, the volunteers and their socket.
import * as z from 'zod';
import { VolunteerId } from '../protocol.ts';
import { listOf, ListQuery } from '../schemas/common.ts';
import { Health, Swarm, Volunteer } from '../schemas/swarm.ts';
import { json, raw, resource } from './operation.ts';
import { ROUTES } from './routes.ts';

export const swarm = resource(
  'swarm',
  ROUTES.swarm,
  { tag: { name: 'Swarm', description: 'Who lends cores, and how many.' } },
  {
    health: {
      summary: 'Whether the edge answers, and its version',
      open: true,
      answers: { 200: json('It does.', Health) },
      curl: '$API/health',
    },
    now: {
      summary: 'All volunteers together',
      open: true,
      answers: { 200: json('How many they are and how fast.', Swarm) },
      curl: '$API/swarm',
    },
    volunteers: {
      summary: 'The connected volunteers, one by one',
      query: ListQuery,
      answers: { 200: json('A page of volunteers.', listOf(Volunteer)) },
      problems: ['invalid_request'],
      curl: '$API/volunteers',
    },
    socket: {
      summary: 'The volunteers’ WebSocket',
      description:
        'Opens the socket over which a browser tab lends its cores. The messages are JSON text frames; those that a volunteer sends are the schema VolunteerMessage. Leases come over the socket, bytes go over the data routes under Leases.',
      open: true,
      query: z.object({
        id: VolunteerId.meta({ description: 'The volunteer’s own id; it chooses the lobby.' }),
      }),
      readsItself: true,
      answers: { 101: raw('The connection is a WebSocket from here on.', {}) },
      problems: ['invalid_request', 'upgrade_required', 'rate_limited', 'unavailable'],
      curl: "-i -N -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: bWFueWhhbmRzLWxpZ2h0IQ==' '$API/volunteer?id=volunteer-1'",
    },
  },
);

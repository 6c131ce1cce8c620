// /api/health, /api/swarm, /api/volunteers and the volunteers' WebSocket.
import { Hono } from 'hono';
import { ListQuery } from '../../shared/schemas/common.ts';
import { VolunteerId } from '../../shared/protocol.ts';
import type { AppEnv } from '../platform/env.ts';
import { lobbyByName, lobbyNameOf } from '../stubs.ts';
import { ProblemError } from '../platform/problem.ts';
import { leaseSecret } from '../catalog/lease-secret.edge.ts';
import { parse, parseQuery } from '../platform/validate.ts';
import { VERSION } from '../platform/version.ts';
import { NETWORK_HEADER } from '../volunteers/lobby-headers.ts';
import { networkHash } from '../volunteers/network.ts';
import { swarmNow, volunteersNow } from '../volunteers/swarm.edge.ts';

export const swarmRoutes = new Hono<AppEnv>()
  .get('/health', (c) => c.json({ ok: true, version: VERSION }))
  .get('/swarm', async (c) => c.json(await swarmNow(c.env)))
  .get('/volunteers', async (c) => c.json(await volunteersNow(c.env, parseQuery(c, ListQuery))))
  .get('/volunteer', async (c) => {
    if (c.req.header('upgrade')?.toLowerCase() !== 'websocket') {
      throw new ProblemError('upgrade_required', 'open this as a WebSocket', [], {
        upgrade: 'websocket',
      });
    }
    const id = parse(VolunteerId, c.req.query('id'), 'id');
    const name = lobbyNameOf(id);
    const address = c.req.header('cf-connecting-ip') ?? '';
    const request = new Request(c.req.raw);
    request.headers.set(NETWORK_HEADER, await networkHash(await leaseSecret(c.env), address));
    return lobbyByName(c.env, name).fetch(request);
  });

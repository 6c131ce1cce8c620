// /api/health, /api/swarm, /api/volunteers and the volunteers' WebSocket.
import { VolunteerId } from '../../shared/protocol.ts';
import { leaseSecret } from '../catalog/lease-secret.edge.ts';
import { lobbyByName, lobbyNameOf } from '../stubs.ts';
import { parse } from '../platform/parse.ts';
import { ProblemError } from '../platform/problem.ts';
import { VERSION } from '../platform/version.ts';
import { NETWORK_HEADER } from '../volunteers/lobby-headers.ts';
import { networkHash } from '../volunteers/network.ts';
import { swarmNow, volunteersNow } from '../volunteers/swarm.edge.ts';
import type { Handlers } from './serve.ts';

export const swarmHandlers: Handlers<'swarm'> = {
  health: () => ({ ok: true, version: VERSION }),
  now: ({ env }) => swarmNow(env),
  volunteers: ({ env, query }) => volunteersNow(env, query),
  async socket({ c: { req }, env }) {
    if (req.header('upgrade')?.toLowerCase() !== 'websocket') {
      throw new ProblemError('upgrade_required', 'open this as a WebSocket', [], {
        upgrade: 'websocket',
      });
    }
    const id = parse(VolunteerId, req.query('id'), 'id');
    const address = req.header('cf-connecting-ip') ?? '';
    const request = new Request(req.raw);
    request.headers.set(NETWORK_HEADER, await networkHash(await leaseSecret(env), address));
    return lobbyByName(env, lobbyNameOf(id)).fetch(request);
  },
};

// /api/processors: validates, calls, answers.
import { Hono } from 'hono';
import { CONNECTIONS_MAX } from '../../shared/limits.ts';
import { ListQuery, ResourceName } from '../../shared/schemas/common.ts';
import {
  DeadLettersQuery,
  LateQuery,
  OpenWindowsQuery,
  ProcessorSpec,
  RedriveBody,
  ReplayBody,
  StateQuery,
  WaitingQuery,
} from '../../shared/schemas/processor.ts';
import {
  keyedPlaces,
  keyedState,
  lateEvents,
  openWindows,
  stateExport,
  states,
  waiting,
} from '../processors/keyed/reading.edge.ts';
import { KEYED_KINDS } from '../contracts/shard.rpc.ts';
import type { AppEnv } from '../platform/env.ts';
import { catalog, processorObject } from '../stubs.ts';
import { notFound, ProblemError } from '../platform/problem.ts';
import { sideBySide } from '../platform/side-by-side.ts';
import { jsonBody, parse, parseQuery } from '../platform/validate.ts';
import {
  defineProcessor,
  deleteProcessor,
  processorNamed,
} from '../processors/definition/define.edge.ts';

/** A rebuilt version may take over while its state is asked for. */
const STATE_TRIES = 3;

const found = <Value>(value: Value | null, name: string): Value => {
  if (value === null) throw notFound(`processor ${name}`);
  return value;
};

const ofWindows = <Value>(value: Value | 'conflict' | null, name: string): Value => {
  const answer = found(value, name);
  if (answer === 'conflict') {
    throw new ProblemError('conflict', `${name} is no batch processor: it has no windows`);
  }
  return answer;
};

const allowed = <Value extends object>(answer: Value | { conflict: string }): Value => {
  if ('conflict' in answer) throw new ProblemError('conflict', answer.conflict);
  return answer;
};

export const processorRoutes = new Hono<AppEnv>()
  .get('/', async (c) => {
    const { cursor, limit } = parseQuery(c, ListQuery);
    const { items, next } = await catalog(c.env).processors(cursor, limit);
    const summaries = await sideBySide(items, CONNECTIONS_MAX, ({ uid }) =>
      processorObject(c.env, uid).summary(),
    );
    return c.json({ items: summaries.filter((summary) => summary !== null), next });
  })
  .put('/:name', async (c) => {
    const name = parse(ResourceName, c.req.param('name'), 'name');
    const spec = parse(ProcessorSpec, await jsonBody(c.req.raw), 'body');
    const { created, processor } = await defineProcessor(c.env, name, spec);
    if (!created) return c.json(processor);
    return c.json(processor, 201, { location: `/api/processors/${encodeURIComponent(name)}` });
  })
  .get('/:name', async (c) => {
    const name = c.req.param('name');
    return c.json(found(await (await processorNamed(c.env, name)).get(), name));
  })
  .delete('/:name', async (c) => {
    const name = c.req.param('name');
    if (!(await deleteProcessor(c.env, name))) throw notFound(`processor ${name}`);
    return c.body(null, 204);
  })
  .post('/:name/pause', async (c) => {
    const name = c.req.param('name');
    return c.json(found(await (await processorNamed(c.env, name)).pause(), name));
  })
  .post('/:name/resume', async (c) => {
    const name = c.req.param('name');
    return c.json(found(await (await processorNamed(c.env, name)).resume(), name));
  })
  .post('/:name/replay', async (c) => {
    const name = c.req.param('name');
    // Without a body: from the earliest event on.
    const body = c.req.raw.body ? await jsonBody(c.req.raw) : {};
    const { from } = parse(ReplayBody, body, 'body');
    const answer = found(await (await processorNamed(c.env, name)).replay(from), name);
    return c.json(allowed(answer), 202);
  })
  .post('/:name/drain', async (c) => {
    const name = c.req.param('name');
    return c.json(allowed(found(await (await processorNamed(c.env, name)).drain(), name)));
  })
  .get('/:name/batches', async (c) => {
    const name = c.req.param('name');
    const { cursor, limit } = parseQuery(c, ListQuery);
    const processor = await processorNamed(c.env, name);
    return c.json(ofWindows(await processor.batches(cursor, limit), name));
  })
  .get('/:name/state', async (c) => {
    const name = c.req.param('name');
    const { prefix, format, ...page } = parseQuery(c, StateQuery);
    const places = await keyedPlaces(c.env, name, ['stateful'], 'lists of states');
    if (format === 'json') return c.json(await states(c.env, places, prefix, page));
    return new Response(stateExport(c.env, places, prefix), {
      headers: {
        'content-type': 'application/x-ndjson',
        'content-disposition': `attachment; filename="${name}.ndjson"`,
        'cache-control': 'no-store',
      },
    });
  })
  .get('/:name/state/:key', async (c) => {
    const { name, key } = c.req.param();
    for (let tries = 1; tries <= STATE_TRIES; tries++) {
      const places = await keyedPlaces(c.env, name, KEYED_KINDS, 'states by key');
      const answer = await keyedState(c.env, places, key);
      if (answer) return c.json(answer);
    }
    throw new ProblemError('unavailable', `${name} is being rebuilt: ask again`);
  })
  .get('/:name/waiting', async (c) => {
    const { missing, ...page } = parseQuery(c, WaitingQuery);
    const places = await keyedPlaces(c.env, c.req.param('name'), ['join'], 'keys that wait');
    return c.json(await waiting(c.env, places, missing ?? null, page));
  })
  .get('/:name/windows', async (c) => {
    const page = parseQuery(c, OpenWindowsQuery);
    const name = c.req.param('name');
    const places = await keyedPlaces(c.env, name, ['window'], 'windows of event time');
    return c.json(await openWindows(c.env, places, page));
  })
  .get('/:name/late', async (c) => {
    const { limit } = parseQuery(c, LateQuery);
    const name = c.req.param('name');
    const places = await keyedPlaces(c.env, name, ['join', 'window'], 'late events');
    return c.json({ items: await lateEvents(c.env, places, limit), next: null });
  })
  .get('/:name/dead-letters', async (c) => {
    const name = c.req.param('name');
    const { cursor, limit } = parseQuery(c, DeadLettersQuery);
    const processor = await processorNamed(c.env, name);
    return c.json(found(await processor.deadLetters(cursor, limit), name));
  })
  .post('/:name/dead-letters/redrive', async (c) => {
    const name = c.req.param('name');
    const body = parse(RedriveBody, await jsonBody(c.req.raw), 'body');
    const processor = await processorNamed(c.env, name);
    const redriven = found(await processor.redrive(body), name);
    if (redriven === 0 && body.ids) {
      const message = `no dead letter of ${name} has ${body.ids.length === 1 ? 'this id' : 'one of these ids'}`;
      throw new ProblemError('not_found', message, [{ path: 'ids', message }]);
    }
    return c.json({ redriven }, 202);
  });

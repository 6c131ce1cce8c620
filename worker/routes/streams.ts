// /api/streams: streams, and their events in and out. Validates, calls, answers.
import { type Context, Hono } from 'hono';
import { ListQuery } from '../../shared/schemas/common.ts';
import {
  EventsLiveQuery,
  EventsQuery,
  StreamName,
  StreamSpec,
} from '../../shared/schemas/stream.ts';
import type { AppEnv } from '../platform/env.ts';
import { jsonBody, parse, parseQuery } from '../platform/validate.ts';
import { eventsPage } from '../log/events-page.edge.ts';
import { liveEvents } from '../log/live.edge.ts';
import { receiveEvents } from '../log/receive.edge.ts';
import { shownStream, shownStreams } from '../log/show.edge.ts';
import { deleteStream, partitionOfStream, putStream, streamNow } from '../log/streams.edge.ts';

type NamedContext = Context<AppEnv, '/:name'>;

const nameOf = (c: NamedContext) => parse(StreamName, c.req.param('name'), 'name');

/** A client that goes away ends its request; what was begun must still be finished. */
function outlive<Value>(c: NamedContext, work: Promise<Value>): Promise<Value> {
  c.executionCtx.waitUntil(work.catch(() => undefined));
  return work;
}

export const streamRoutes = new Hono<AppEnv>()
  .get('/', async (c) => {
    const { cursor, limit } = parseQuery(c, ListQuery);
    return c.json(await shownStreams(c.env, cursor, limit));
  })
  .put('/:name', async (c) => {
    const name = nameOf(c);
    const spec = parse(StreamSpec, await jsonBody(c.req.raw), 'body');
    const { created, stream } = await outlive(c, putStream(c.env, name, spec));
    const shown = await shownStream(c.env, stream);
    return created ? c.json(shown, 201, { location: `/api/streams/${name}` }) : c.json(shown);
  })
  .get('/:name', async (c) => c.json(await shownStream(c.env, await streamNow(c.env, nameOf(c)))))
  .delete('/:name', async (c) => {
    await outlive(c, deleteStream(c.env, nameOf(c)));
    return c.body(null, 204);
  })
  .post('/:name/events', async (c) =>
    c.json(await outlive(c, receiveEvents(c.env, nameOf(c), c.req.raw)), 202),
  )
  .get('/:name/events', async (c) => {
    const { partition, from, limit, resolve } = parseQuery(c, EventsQuery);
    const ref = partitionOfStream(await streamNow(c.env, nameOf(c)), partition);
    const page = await eventsPage(c.env, ref, { from, limit, resolve: resolve === 'true' });
    return c.body(page, 200, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  })
  .get('/:name/events/live', async (c) => {
    const { partition, from, lastEventId } = parseQuery(c, EventsLiveQuery);
    const stream = await streamNow(c.env, nameOf(c));
    const last = c.req.header('last-event-id') ?? lastEventId ?? null;
    const query = { partition, from, lastEventId: last };
    return liveEvents(c.env, stream, query, c.req.raw.signal);
  });

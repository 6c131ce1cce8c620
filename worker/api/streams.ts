// /api/streams: streams, and their events in and out.
import { eventsPage } from '../log/events-page.edge.ts';
import { liveEvents } from '../log/live.edge.ts';
import { receiveEvents } from '../log/receive.edge.ts';
import { shownStream, shownStreams } from '../log/show.edge.ts';
import { deleteStream, partitionOfStream, putStream, streamNow } from '../log/streams.edge.ts';
import { created, type Handlers, Reply } from './serve.ts';

export const streamHandlers: Handlers<'streams'> = {
  list: ({ env, query: { cursor, limit } }) => shownStreams(env, cursor, limit),
  async put({ env, params: { name }, body: spec, outlive }) {
    const { created: isNew, stream } = await outlive(putStream(env, name, spec));
    const shown = await shownStream(env, stream);
    return isNew ? created(shown, `/api/streams/${name}`) : new Reply(200, shown);
  },
  get: async ({ env, params: { name } }) => shownStream(env, await streamNow(env, name)),
  async delete({ env, params: { name }, outlive }) {
    await outlive(deleteStream(env, name));
  },
  append: ({ c, env, params: { name }, outlive }) => outlive(receiveEvents(env, name, c.req.raw)),
  async events({ c, env, params: { name }, query: { partition, from, limit, resolve } }) {
    const ref = partitionOfStream(await streamNow(env, name), partition);
    const page = await eventsPage(env, ref, { from, limit, resolve: resolve === 'true' });
    return c.body(page, 200, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  },
  async follow({ c: { req }, env, params: { name }, query: { partition, from, lastEventId } }) {
    const stream = await streamNow(env, name);
    const last = req.header('last-event-id') ?? lastEventId ?? null;
    return liveEvents(env, stream, { partition, from, lastEventId: last }, req.raw.signal);
  },
};

// What the platform calls: requests, queue messages, and the Durable Objects' classes. Nothing else.
import { app } from './app.ts';
import { answerBells } from './mapreduce/bells.ts';
import type { Env, MapBell, ReduceBell } from './platform/env.ts';

export { CatalogObject } from './catalog/catalog.object.ts';
export { JobObject } from './mapreduce/job.object.ts';
export { LobbyObject } from './volunteers/lobby.object.ts';

export default {
  fetch: app.fetch,
  queue: (batch, env) => answerBells(batch, env),
} satisfies ExportedHandler<Env, MapBell | ReduceBell>;

// What the platform calls: requests, queue messages, and the Durable Objects' classes. Nothing else.
import { app } from './app.ts';
import { answerBells } from './bells.ts';
import { guardBindings } from './platform/bindings.ts';
import type { Env, MapBell, ReduceBell, StreamBell } from './platform/env.ts';

export { WindowObject } from './batching/window.object.ts';
export { CatalogObject } from './catalog/catalog.object.ts';
export { ClaimObject } from './claim-check/claim.object.ts';
export { JobSteps } from './dag/job-steps.entrypoint.ts';
export { RunObject } from './dag/run.object.ts';
export { StepRunner } from './dag/step-runner.entrypoint.ts';
export { BufferObject } from './join/buffer.object.ts';
export { ScheduleObject } from './kappa/schedule.object.ts';
export { JobObject } from './mapreduce/job.object.ts';
export { UserServiceObject } from './services/users.object.ts';
export { StoreObject } from './stateful/store.object.ts';
export { ConsumerObject } from './streaming/consumer/consumer.object.ts';
export { LogObject } from './streaming/log/log.object.ts';
export { ProcessorObject } from './streaming/processor/processor.object.ts';
export { LobbyObject } from './volunteers/lobby.object.ts';
export { PaneObject } from './windowing/pane.object.ts';

export default {
  fetch: (request, env, ctx) => app.fetch(request, guardBindings(env), ctx),
  queue: (batch, env, ctx) => answerBells(batch, guardBindings(env), ctx),
} satisfies ExportedHandler<Env, MapBell | ReduceBell | StreamBell>;

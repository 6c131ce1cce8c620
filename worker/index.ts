// What the platform calls: requests, queue messages, and the Durable Objects' classes. Nothing else.
import { app } from './app.ts';
import { answerWakeUps } from './queue.ts';
import { guardBindings } from './platform/bindings.edge.ts';
import type { MapWakeUp, ReduceWakeUp, StreamWakeUp } from './contracts/wake-ups.ts';
import type { Env } from './platform/env.ts';

export { BatchObject } from './processors/batch/batch.object.ts';
export { CatalogObject } from './catalog/catalog.object.ts';
export { ClaimObject } from './claim-check/claim.object.ts';
export { JobSteps } from './jobs/dag/steps/job-steps.entrypoint.ts';
export { RunObject } from './jobs/dag/run/run.object.ts';
export { StepRunner } from './jobs/dag/steps/step-runner.entrypoint.ts';
export { JoinObject } from './processors/join/join.object.ts';
export { ScheduleObject } from './schedules/schedule.object.ts';
export { JobObject } from './jobs/mapreduce/job.object.ts';
export { UserServiceObject } from './demo-services/users.object.ts';
export { StateObject } from './processors/state/state.object.ts';
export { ConsumerObject } from './processors/consumer/consumer.object.ts';
export { LogObject } from './log/partition/log.object.ts';
export { ProcessorObject } from './processors/definition/processor.object.ts';
export { LobbyObject } from './volunteers/lobby.object.ts';
export { WindowObject } from './processors/window/window.object.ts';

export default {
  fetch: (request, env, ctx) => app.fetch(request, guardBindings(env), ctx),
  queue: (batch, env, ctx) => answerWakeUps(batch, guardBindings(env), ctx),
} satisfies ExportedHandler<Env, MapWakeUp | ReduceWakeUp | StreamWakeUp>;

// The queue consumer: each message is a wake-up, and goes to the room that it is for. A wake-up is never the only record
// of work to do: the object that sent it sends again what was lost, so giving one up loses nothing.
import * as z from 'zod';
import { runWindow } from './processors/batch/run-batch.edge.ts';
import { watchFor } from './jobs/dag/run/watch.edge.ts';
import { answerMapWakeUp } from './jobs/mapreduce/edge-mapper.edge.ts';
import { answerReduceWakeUp } from './jobs/mapreduce/reducer.edge.ts';
import type { StreamWakeUp } from './contracts/wake-ups.ts';
import type { Env } from './platform/env.ts';
import { batchObject } from './stubs.ts';
import { consumeFor } from './processors/consumer/dispatch.edge.ts';

const RETRY_SECONDS = 1;
const MapWakeUpBody = z.object({ job: z.string(), ring: z.number().int() });
const ReduceWakeUpBody = z.object({ job: z.string(), partition: z.number().int() });
const source = z.object({ stream: z.string(), uid: z.string(), partition: z.number().int() });
const StreamWakeUpBody = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('consume'),
    consumer: z.object({
      processor: z.string(),
      processorUid: z.string(),
      generation: z.number().int(),
      source,
    }),
  }),
  z.object({
    kind: z.literal('look'),
    window: z.string(),
    streamUid: z.string(),
    partition: z.number().int(),
  }),
  z.object({ kind: z.literal('run'), window: z.string(), number: z.number().int() }),
  z.object({ kind: z.literal('watch'), run: z.string(), step: z.string(), source }),
]);

export async function answerWakeUps(
  batch: MessageBatch,
  env: Env,
  ctx: ExecutionContext,
): Promise<void> {
  await Promise.all(batch.messages.map((message) => answerWakeUp(message, env, ctx)));
}

async function answerWakeUp(message: Message, env: Env, ctx: ExecutionContext): Promise<void> {
  const stream = StreamWakeUpBody.safeParse(message.body);
  if (stream.success) {
    // Acknowledged before the work is done: a wake-up says "look", and the next batch of wake-ups, which may be for
    // others, should not wait for seconds until this one has worked. Its log sends again what is not answered.
    message.ack();
    ctx.waitUntil(answerStreamWakeUp(stream.data, env));
    return;
  }
  try {
    const map = MapWakeUpBody.safeParse(message.body);
    if (map.success) {
      await answerMapWakeUp(env, map.data);
      return message.ack();
    }
    const reduce = ReduceWakeUpBody.safeParse(message.body);
    if (!reduce.success) return message.ack(); // Not a wake-up of this version: no later try would understand it.
    if ((await answerReduceWakeUp(env, reduce.data)) === 'ack') message.ack();
    else message.retry({ delaySeconds: RETRY_SECONDS });
  } catch (error) {
    console.error('a wake-up was not answered', message.body, error);
    message.retry({ delaySeconds: RETRY_SECONDS });
  }
}

async function answerStreamWakeUp(wakeUp: StreamWakeUp, env: Env): Promise<void> {
  try {
    switch (wakeUp.kind) {
      case 'consume':
        return await consumeFor(env, wakeUp.consumer);
      case 'look':
        return await batchObject(env, wakeUp.window).look(wakeUp.streamUid, wakeUp.partition);
      case 'run':
        return await runWindow(env, wakeUp.window, wakeUp.number);
      case 'watch':
        return await watchFor(env, wakeUp);
    }
  } catch (error) {
    console.error('a wake-up was not answered', wakeUp, error);
  }
}

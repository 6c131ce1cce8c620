// The queue consumer: each message is a bell, and goes to the room that it is for. A bell is never the only record
// of work to do: the object that rang it rings again what was lost, so giving one up loses nothing.
import * as z from 'zod';
import { runWindow } from './processors/batch/run-batch.edge.ts';
import { watchFor } from './jobs/dag/watch.ts';
import { answerMapBell } from './jobs/mapreduce/edge-mapper.edge.ts';
import { answerReduceBell } from './jobs/mapreduce/reducer.edge.ts';
import type { Env, StreamBell } from './platform/env.ts';
import { windowObject } from './stubs.ts';
import { consumeFor } from './processors/consumer/dispatch.edge.ts';

const RETRY_SECONDS = 1;
const MapBellBody = z.object({ job: z.string(), ring: z.number().int() });
const ReduceBellBody = z.object({ job: z.string(), partition: z.number().int() });
const source = z.object({ stream: z.string(), uid: z.string(), partition: z.number().int() });
const StreamBellBody = z.discriminatedUnion('kind', [
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

export async function answerBells(
  batch: MessageBatch,
  env: Env,
  ctx: ExecutionContext,
): Promise<void> {
  await Promise.all(batch.messages.map((message) => answerBell(message, env, ctx)));
}

async function answerBell(message: Message, env: Env, ctx: ExecutionContext): Promise<void> {
  const stream = StreamBellBody.safeParse(message.body);
  if (stream.success) {
    // Acknowledged before the work is done: a bell says "look", and the next batch of bells, which may be for
    // others, should not wait for seconds until this one has worked. Its log rings again what is not answered.
    message.ack();
    ctx.waitUntil(answerStreamBell(stream.data, env));
    return;
  }
  try {
    const map = MapBellBody.safeParse(message.body);
    if (map.success) {
      await answerMapBell(env, map.data);
      return message.ack();
    }
    const reduce = ReduceBellBody.safeParse(message.body);
    if (!reduce.success) return message.ack(); // Not a bell of this version: nobody will ever understand it.
    if ((await answerReduceBell(env, reduce.data)) === 'ack') message.ack();
    else message.retry({ delaySeconds: RETRY_SECONDS });
  } catch (error) {
    console.error('a bell was not answered', message.body, error);
    message.retry({ delaySeconds: RETRY_SECONDS });
  }
}

async function answerStreamBell(bell: StreamBell, env: Env): Promise<void> {
  try {
    switch (bell.kind) {
      case 'consume':
        return await consumeFor(env, bell.consumer);
      case 'look':
        return await windowObject(env, bell.window).look(bell.streamUid, bell.partition);
      case 'run':
        return await runWindow(env, bell.window, bell.number);
      case 'watch':
        return await watchFor(env, bell);
    }
  } catch (error) {
    console.error('a bell was not answered', bell, error);
  }
}

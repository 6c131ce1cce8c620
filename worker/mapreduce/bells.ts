// The queue consumer: each message is a bell, answered on its own. A bell is never the only record of work
// to do: its JobObject rings again what was lost, so giving one up loses nothing.
import * as z from 'zod';
import type { Env } from '../platform/env.ts';
import { answerMapBell } from './edge-mapper.ts';
import { answerReduceBell } from './reducer.ts';

const RETRY_SECONDS = 1;
const MapBell = z.object({ job: z.string(), ring: z.number().int() });
const ReduceBell = z.object({ job: z.string(), partition: z.number().int() });

export async function answerBells(batch: MessageBatch, env: Env): Promise<void> {
  await Promise.all(batch.messages.map((message) => answerBell(message, env)));
}

async function answerBell(message: Message, env: Env): Promise<void> {
  try {
    const map = MapBell.safeParse(message.body);
    if (map.success) {
      await answerMapBell(env, map.data);
      return message.ack();
    }
    const reduce = ReduceBell.safeParse(message.body);
    if (!reduce.success) return message.ack(); // Not a bell of this version: nobody will ever understand it.
    if ((await answerReduceBell(env, reduce.data)) === 'ack') message.ack();
    else message.retry({ delaySeconds: RETRY_SECONDS });
  } catch (error) {
    console.error('a bell was not answered', message.body, error);
    message.retry({ delaySeconds: RETRY_SECONDS });
  }
}

// Gives consuming the real things: the consumer's object, the log, isolates, the output stream.
import type { Env } from '../../platform/env.ts';
import { consumerObject } from '../../platform/objects.ts';
import { ProblemError } from '../../platform/problem.ts';
import { appendEvents } from '../append.ts';
import { type ConsumeWorld, OutputMissingError } from './consume-world.ts';
import { consume } from './consume.ts';
import type { ConsumerRef, StreamDefinition } from '../names.ts';
import { readEvents } from '../read.ts';
import { IsolateCrashError, runStateless } from '../processor/stateless.ts';
import { streamNamed } from '../streams.ts';

/** Answers a `consume` bell: works for this consumer until it rests, waits, or its time is over. */
export function consumeFor(env: Env, ref: ConsumerRef): Promise<void> {
  return consume(worldOf(env, ref));
}

function worldOf(env: Env, ref: ConsumerRef): ConsumeWorld {
  return {
    consumer: consumerObject(env, ref),
    read: (source, from, bounds) => readEvents(env, source, from, bounds),
    run: (config, batch) => runStateless(env, config, batch),
    append: async (output, { events, sequences, ids }, producer) => {
      const stream = await outputStream(env, output);
      return appendEvents(env, stream, events, { producer: { id: producer, sequences }, ids });
    },
    crashOf: (error) => (error instanceof IsolateCrashError ? error.error : null),
    nowMs: () => Date.now(),
    every: (ms, work) => {
      const timer = setInterval(work, ms);
      return () => clearInterval(timer);
    },
  };
}

async function outputStream(env: Env, name: string): Promise<StreamDefinition> {
  try {
    return await streamNamed(env, name);
  } catch (error) {
    if (!(error instanceof ProblemError && error.code === 'not_found')) throw error;
    throw new OutputMissingError(`the output stream ${name} is gone`);
  }
}

// Gives consuming the real things: the consumer's object, the log, isolates, the output stream.
import type { Env } from '../../platform/env.ts';
import { consumerObject } from '../../platform/objects.ts';
import { appendOutputs } from './append-outputs.ts';
import type { ConsumeWorld } from './consume-world.ts';
import { consume } from './consume.ts';
import type { ConsumerRef } from '../names.ts';
import { readEvents } from '../read.ts';
import { IsolateCrashError, runStateless } from '../processor/stateless.ts';

/** Answers a `consume` bell: works for this consumer until it rests, waits, or its time is over. */
export function consumeFor(env: Env, ref: ConsumerRef): Promise<void> {
  return consume(worldOf(env, ref));
}

function worldOf(env: Env, ref: ConsumerRef): ConsumeWorld {
  return {
    consumer: consumerObject(env, ref),
    read: (source, from, bounds) => readEvents(env, source, from, bounds),
    run: (config, batch) => runStateless(env, config, batch),
    append: (output, outputs, producer) => appendOutputs(env, output, outputs, producer),
    crashOf: (error) => (error instanceof IsolateCrashError ? error.error : null),
    nowMs: () => Date.now(),
    every: (ms, work) => {
      const timer = setInterval(work, ms);
      return () => clearInterval(timer);
    },
  };
}

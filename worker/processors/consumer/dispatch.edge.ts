// Gives consuming the real things: the consumer's object, the log, isolates, the output stream.
import { CONNECTIONS_MAX } from '../../../shared/limits.ts';
import { route, RoutedCrashError } from '../keyed/route.ts';
import type { Env } from '../../platform/env.ts';
import { consumerObject, shardObject } from '../../stubs.ts';
import { sideBySide } from '../../platform/side-by-side.ts';
import { appendOutputs } from '../../outputs/append-outputs.edge.ts';
import type { ConsumePorts } from './consume-ports.ts';
import { consume } from './consume.ts';
import type { ConsumerRef } from '../../contracts/names.ts';
import { readEvents } from '../../log/read.edge.ts';
import { IsolateCrashError, runStateless } from '../../isolates/stateless.edge.ts';

/** Answers a `consume` wake-up: works for this consumer until it rests, waits, or its time is over. */
export function consumeFor(env: Env, ref: ConsumerRef): Promise<void> {
  return consume(portsOf(env, ref));
}

function portsOf(env: Env, ref: ConsumerRef): ConsumePorts {
  return {
    consumer: consumerObject(env, ref),
    read: (source, from, bounds) => readEvents(env, source, from, bounds),
    run: (config, call) => {
      const { routing, ref: reader, types } = config;
      if (!routing) return runStateless(env, config, call);
      return route(routing, types, call, (shard, batch) =>
        shardObject(env, routing.kind, { ...shardsOf(reader), shard }).apply(batch),
      );
    },
    rested: async ({ routing, ref: reader }, at) => {
      if (!routing) return;
      const shards = Array.from({ length: routing.shards }, (_, shard) => shard);
      await sideBySide(shards, CONNECTIONS_MAX, (shard) =>
        shardObject(env, routing.kind, { ...shardsOf(reader), shard }).rested(routing.source, at),
      );
    },
    append: (output, outputs, producer) => appendOutputs(env, output, outputs, producer),
    crashOf: (error) =>
      error instanceof IsolateCrashError || error instanceof RoutedCrashError ? error.error : null,
    nowMs: () => Date.now(),
    every: (ms, work) => {
      const timer = setInterval(work, ms);
      return () => clearInterval(timer);
    },
  };
}

/** The shards of a consumer's generation. */
const shardsOf = ({ processor, processorUid, generation }: ConsumerRef) => ({
  processor,
  processorUid,
  generation,
});

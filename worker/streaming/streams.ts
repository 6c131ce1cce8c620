// Which stream a name means, remembered for some seconds, and its partitions' settings. A memory that is out of
// date shows: the objects of a deleted stream answer "unknown".
import {
  CONNECTIONS_MAX,
  STREAMS_REMEMBERED_MAX,
  STREAMS_REMEMBERED_MS,
} from '../../shared/limits.ts';
import type { Env } from '../platform/env.ts';
import { catalog, logObject } from '../platform/objects.ts';
import { notFound } from '../platform/problem.ts';
import { sideBySide } from '../platform/side-by-side.ts';
import type { LogConfig } from './log.rpc.ts';
import type { PartitionRef, StreamDefinition } from './names.ts';

const HOUR_MS = 3600_000;

const remembered = new Map<string, { definition: StreamDefinition; untilMs: number }>();

/** Throws `not_found`. What it answers may be some seconds old. */
export async function streamNamed(env: Env, name: string): Promise<StreamDefinition> {
  const known = remembered.get(name);
  if (known && known.untilMs > Date.now()) return known.definition;
  const definition = await catalog(env).stream(name);
  if (!definition) {
    remembered.delete(name);
    throw notFound(`stream ${name}`);
  }
  if (remembered.size >= STREAMS_REMEMBERED_MAX) remembered.clear();
  remembered.set(name, { definition, untilMs: Date.now() + STREAMS_REMEMBERED_MS });
  return definition;
}

export function forgetStream(name: string): void {
  remembered.delete(name);
}

export const partitionsOf = ({ name, uid, partitions }: StreamDefinition): PartitionRef[] =>
  Array.from({ length: partitions }, (_, partition) => ({ stream: name, uid, partition }));

/** Creates the partitions, or changes what may change. */
export async function configureStream(env: Env, stream: StreamDefinition): Promise<void> {
  await sideBySide(partitionsOf(stream), CONNECTIONS_MAX, (ref) =>
    logObject(env, ref).configure(configOf(stream, ref)),
  );
}

/**
 * For whoever met "unknown" at a partition: what its name means now. When it is the same stream, its partition is
 * configured again, for something was cut off half-way. Throws `not_found`.
 */
export async function streamAgain(
  env: Env,
  { stream, uid, partition }: PartitionRef,
): Promise<StreamDefinition> {
  forgetStream(stream);
  const definition = await streamNamed(env, stream);
  if (definition.uid === uid && partition < definition.partitions) {
    const ref = { stream, uid, partition };
    await logObject(env, ref).configure(configOf(definition, ref));
  }
  return definition;
}

const configOf = (stream: StreamDefinition, { partition }: PartitionRef): LogConfig => ({
  stream: stream.name,
  uid: stream.uid,
  partition,
  retentionMs: stream.retentionHours * HOUR_MS,
  maxBytes: stream.partitionMaxBytes,
});

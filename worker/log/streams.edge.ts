// Which stream a name means, remembered for some seconds, and its partitions' settings. A memory that is out of
// date shows: the objects of a deleted stream answer "unknown".
import {
  CONNECTIONS_MAX,
  STREAMS_REMEMBERED_MAX,
  STREAMS_REMEMBERED_MS,
} from '../../shared/limits.ts';
import type { StreamSpec } from '../../shared/schemas/stream.ts';
import type { Env } from '../platform/env.ts';
import { catalog, logObject } from '../stubs.ts';
import { notFound, ProblemError } from '../platform/problem.ts';
import { sideBySide } from '../platform/side-by-side.ts';
import type { LogConfig } from '../contracts/log.rpc.ts';
import { partitionsOf, type PartitionRef, type StreamDefinition } from '../contracts/names.ts';

const HOUR_MS = 3600_000;
const FORGET_TRIES = 3;

const remembered = new Map<string, { definition: StreamDefinition; untilMs: number }>();

/** Throws `not_found`. What it answers may be some seconds old. */
export async function streamNamed(env: Env, name: string): Promise<StreamDefinition> {
  const known = remembered.get(name);
  if (known && known.untilMs > Date.now()) return known.definition;
  return streamNow(env, name);
}

/** Throws `not_found`. */
export async function streamNow(env: Env, name: string): Promise<StreamDefinition> {
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

/** Throws `invalid_request` when the stream has no such partition. */
export function partitionOfStream(stream: StreamDefinition, partition: number): PartitionRef {
  const { name, uid, partitions } = stream;
  if (partition >= partitions) {
    const message = `the stream ${name} has the partitions 0 to ${partitions - 1}`;
    throw new ProblemError('invalid_request', message, [{ path: 'partition', message }]);
  }
  return { stream: name, uid, partition };
}

/** Creates a stream, or changes what may change. Throws `conflict` when that would be its partitions. */
export async function putStream(
  env: Env,
  name: string,
  spec: StreamSpec,
): Promise<{ created: boolean; stream: StreamDefinition }> {
  const put = await catalog(env).putStream(name, spec);
  if (put.kind === 'fixedPartitions') {
    const message = `the stream has ${put.partitions} partitions, and that cannot change: keys would move to others, and lose their order`;
    throw new ProblemError('conflict', message, [{ path: 'partitions', message }]);
  }
  forgetStream(name);
  const stream = put.definition;
  await configureStream(env, stream);
  return { created: put.kind === 'created', stream };
}

/** Creates the partitions, or changes what may change. */
export async function configureStream(env: Env, stream: StreamDefinition): Promise<void> {
  await sideBySide(partitionsOf(stream), CONNECTIONS_MAX, (ref) =>
    logObject(env, ref).configure(configOf(stream, ref)),
  );
}

/** Throws `not_found`, and `conflict` when processors use it. */
export async function deleteStream(env: Env, name: string): Promise<void> {
  const deleted = await catalog(env).deleteStream(name);
  forgetStream(name);
  if (deleted.kind === 'unknown') throw notFound(`stream ${name}`);
  if (deleted.kind === 'used') {
    const detail = `processors use the stream: ${deleted.by.join(', ')}; delete them first`;
    throw new ProblemError('conflict', detail);
  }
  // Once told, a partition sees to its own end, however often it is interrupted.
  await sideBySide(partitionsOf(deleted.entry), CONNECTIONS_MAX, async (ref) => {
    for (let tries = 1; ; tries++) {
      try {
        return await logObject(env, ref).delete();
      } catch (error) {
        if (tries === FORGET_TRIES) throw error;
      }
    }
  });
}

/**
 * For a caller that met "unknown" at a partition: what its name means now. When it is the same stream, its partition is
 * configured again, for something was cut off half-way. Throws `not_found`.
 */
export async function streamAgain(
  env: Env,
  { stream, uid, partition }: PartitionRef,
): Promise<StreamDefinition> {
  const definition = await streamNow(env, stream);
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

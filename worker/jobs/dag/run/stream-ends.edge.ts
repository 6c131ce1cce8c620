// Where the streams that steps will wait for end when their run is submitted: what comes later counts.
import { CONNECTIONS_MAX } from '../../../../shared/limits.ts';
import type { DagSpec } from '../../../../shared/schemas/dag.ts';
import type { Env } from '../../../platform/env.ts';
import { catalog, logObject } from '../../../stubs.ts';
import { sideBySide } from '../../../platform/side-by-side.ts';
import type { StreamEnds } from './run-record.ts';

export async function streamEnds(env: Env, { steps }: DagSpec): Promise<StreamEnds[]> {
  const names = new Set(
    Object.values(steps).flatMap((step) => (step.run === 'wait' && step.stream) || []),
  );
  const found = await sideBySide([...names], CONNECTIONS_MAX, async (name) => {
    const definition = await catalog(env).stream(name);
    if (!definition) return [];
    const { uid, partitions } = definition;
    const all = Array.from({ length: partitions }, (_, partition) => partition);
    const ends = await sideBySide(all, CONNECTIONS_MAX, (partition) =>
      logObject(env, { uid, partition }).resolve('latest'),
    );
    return [{ stream: name, uid, ends }];
  });
  return found.flat();
}

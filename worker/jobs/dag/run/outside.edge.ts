// What a run needs of the world outside its object, as it is at the edge: StepRunner and JobSteps, logs, claims, catalog.
import { CONNECTIONS_MAX } from '../../../../shared/limits.ts';
import type { Env } from '../../../platform/env.ts';
import { catalog, claimShard, claimShardOf, logObject } from '../../../stubs.ts';
import { sideBySide } from '../../../platform/side-by-side.ts';
import type { JobStepsRpc } from '../../../contracts/job-steps.rpc.ts';
import type { StepRunnerRpc } from '../../../contracts/step-runner.rpc.ts';
import { stepJobId } from '../steps/volunteer-step.edge.ts';
import type { OutsidePorts } from './run-ports.ts';
import type { WatchRecord } from './run-record.ts';
import { watchReader } from './watch.edge.ts';

/** The stateless Workers beside the RunObject: its `ctx.exports`. */
export interface Entrypoints {
  StepRunner: StepRunnerRpc;
  JobSteps: JobStepsRpc;
}

export function outsidePorts(env: Env, { StepRunner, JobSteps }: Entrypoints): OutsidePorts {
  return {
    runner: StepRunner,
    jobs: JobSteps,
    jobId: stepJobId,
    watch: async (run, watch) => {
      const { step, next } = watch;
      const source = partitionOf(watch);
      const wakeUp = { kind: 'watch' as const, run, step, source };
      await logObject(env, source).subscribe(watchReader(run, step), wakeUp, { offset: next });
    },
    unwatch: (run, watch) =>
      logObject(env, partitionOf(watch)).unsubscribe(watchReader(run, watch.step)),
    hold: (run, tokens) => byShard(tokens, (shard, own) => claimShard(env, shard).hold(run, own)),
    release: (run, tokens) =>
      byShard(tokens, (shard, own) => claimShard(env, shard).release(run, own)),
    tell: (summary) => catalog(env).updateJob(summary),
  };
}

const partitionOf = ({ stream, uid, partition }: WatchRecord) => ({ stream, uid, partition });

async function byShard(
  tokens: readonly string[],
  work: (shard: number, own: string[]) => Promise<void>,
): Promise<void> {
  const shards = [...Map.groupBy(tokens, claimShardOf)];
  await sideBySide(shards, CONNECTIONS_MAX, ([shard, own]) => work(shard, own));
}

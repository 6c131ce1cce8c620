// Runs what fires, joins that are complete and windows that closed, through `process(value, ctx)`, side by side.
import { apply, parse } from '../sandbox/intrinsics.ts';
import { type CodeResult, contextFor, type UserFunction, withFunctions } from '../sandbox/load.ts';
import type { FireCall, FireOutcome } from './process.ts';
import { UserCalls } from '../sandbox/user-calls.ts';
import { gather } from '../sandbox/slot.ts';
import type { StepCount } from '../sandbox/step-count.ts';
import type { CodeRun, Work } from '../sandbox/work.ts';

export type FireRun = CodeRun<FireCall>;
export type FireResult = CodeResult<FireOutcome>;

/** Rejects only when a unit is no JSON. */
export const runFire = (run: FireRun): Promise<FireResult> =>
  withFunctions(run, ['process'], ({ process }, steps) => outcomeOf(run, steps, process));

interface OneUnit {
  key: string;
  value: unknown;
}

async function outcomeOf(
  run: FireRun,
  steps: StepCount,
  process: UserFunction,
): Promise<FireOutcome> {
  const { units } = run.call;
  const work: Work<OneUnit> = {
    name: 'process',
    count: units.length,
    open(order) {
      const { key, json } = units[order] as FireCall['units'][number];
      return { key, value: parse(json) as unknown };
    },
    call(slot) {
      const { key, value } = slot.own;
      slot.own.value = null;
      const ctx = { ...contextFor(fired.source, slot, slot.outputs), key };
      return apply(process, undefined, [value, ctx]);
    },
    take: ({ outputs }, returned) => outputs.take(returned),
  };
  const fired = new UserCalls(run, steps, work);
  await fired.run();
  await fired.stopEndless();
  const { end, log } = fired;
  const { outputs, places, failures } = gather(fired.slots, end, ({ order }) => order);
  const failed: FireOutcome['failures'] = [];
  for (let i = 0; i < failures.length; i++) {
    const { at, error } = failures[i] as (typeof failures)[number];
    failed[i] = { unit: at, error };
  }
  const stoppedAt = end < units.length ? end : null;
  return { outputs, outputUnits: places, failures: failed, stoppedAt, log };
}

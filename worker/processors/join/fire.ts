// Hands joins to the processor's code, in one call, and tells what came of each.
import type { TaskError } from '../../../shared/schemas/job.ts';
import type { KeyedCode } from '../keyed/operator.ts';
import { type Join, joinedJson } from './join.ts';

/** `outputs`: JSON of EventInput, one each. */
export type Fired = { ok: true; outputs: string[] } | { ok: false; error: TaskError };

/** `fired`: of the first joins, in order; time or memory may not have sufficed for all of them, but for one. */
export async function fireJoins(
  code: KeyedCode,
  joins: readonly Join[],
  types: readonly string[],
  attempt: number,
): Promise<{ fired: Fired[]; log: string[] }> {
  const units = joins.map((join) => ({ key: join.key, json: joinedJson(join, types) }));
  const { outputs, outputUnits, failures, stoppedAt, log } = await code.fire({ units, attempt });
  const fired = units
    .slice(0, stoppedAt ?? units.length)
    .map((): { ok: true; outputs: string[] } => ({ ok: true, outputs: [] }));
  let at = 0;
  for (const unit of outputUnits) {
    const end = outputs.indexOf('\n', at);
    fired[unit]?.outputs.push(outputs.slice(at, end < 0 ? outputs.length : end));
    at = end + 1;
  }
  const failed = new Map(failures.map(({ unit, error }) => [unit, error]));
  return {
    fired: fired.map((one, unit) => {
      const error = failed.get(unit);
      return error ? { ok: false, error } : one;
    }),
    log,
  };
}

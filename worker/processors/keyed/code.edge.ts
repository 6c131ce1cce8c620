// A keyed processor's code in its isolate, for the shard's operator. What user code does wrong comes as a value;
// IsolateCrashError is thrown when the isolate died of an unknown event, ProgramLoadError when the
// program does not load; everything else that is thrown is infrastructure's.
import { STATE_MAX_BYTES } from '../../../shared/limits.ts';
import type { CodeResult } from '../../../shared/sandbox/load.ts';
import type {
  FireCall,
  FireOutcome,
  FoldCall,
  FoldOutcome,
} from '../../../shared/streaming/process.ts';
import type { Env } from '../../platform/env.ts';
import { countNewlines, notBelieved, offsetOf, PROCESS_MS } from '../../isolates/isolate-run.ts';
import { processHost } from '../../isolates/process-host.edge.ts';
import {
  callIsolate,
  outcomeOf,
  type ProcessIsolate,
} from '../../isolates/process-isolate.edge.ts';
import type { KeyedCode } from './operator.ts';
import type { ShardConfig } from '../../contracts/shard.rpc.ts';

type Config = Pick<
  ShardConfig,
  'programKey' | 'programHash' | 'guard' | 'services' | 'params' | 'version'
>;

export function keyedCode(env: Env, config: Config): KeyedCode {
  const { params, version } = config;
  const run = <Outcome>(
    call: (isolate: ProcessIsolate) => Promise<CodeResult<Outcome>>,
    holds: (outcome: Outcome) => boolean,
  ): Promise<Outcome> =>
    callIsolate(env, config, {
      kind: 'process',
      ms: PROCESS_MS,
      call,
      read(result) {
        const outcome = outcomeOf(result);
        if (!holds(outcome)) throw notBelieved();
        return outcome;
      },
    });
  const host = () => processHost(env, config.services);
  return {
    fold: (call) =>
      run(
        (isolate) => isolate.fold({ ...call, params, version }, host()),
        (outcome) => foldHolds(outcome, call),
      ),
    fire: (call) =>
      run(
        (isolate) => isolate.fire({ ...call, params, version }, host()),
        (outcome) => fireHolds(outcome, call),
      ),
  };
}

/** Every place is one that was run, and in order; states are of keys that were asked for. */
function foldHolds(
  { changed, outputs, outputOffsets, failures, stoppedAt, log }: FoldOutcome,
  { text, keys, keepGoing }: Pick<FoldCall, 'text' | 'keys' | 'keepGoing'>,
): boolean {
  // By offset: an event whose windows overlap has several lines.
  const places = new Map<number, number>();
  for (const line of text.split('\n', keys.length)) {
    const offset = offsetOf(line);
    if (!places.has(offset)) places.set(offset, places.size);
  }
  const run = stoppedAt === null ? places.size : (places.get(stoppedAt) ?? 0);
  const known = new Set(keys);
  const failed = new Set(failures.map(({ offset }) => offset));
  return (
    run >= Math.min(1, keys.length) &&
    placesHold(outputs, outputOffsets.map(placeIn(places)), run) &&
    failuresHold(
      failures.map(({ offset }) => offset),
      placeIn(places),
      run,
    ) &&
    outputOffsets.every((offset) => !failed.has(offset)) &&
    (keepGoing || failures.length <= 1) &&
    // Each key once: what is left of the known ones goes down with each.
    changed.every(
      ({ key, state, ttlMs }) =>
        known.delete(key) &&
        (state === null || (typeof state === 'string' && state.length <= STATE_MAX_BYTES)) &&
        (ttlMs === null || Number.isSafeInteger(ttlMs)),
    ) &&
    linesHold(log)
  );
}

function fireHolds(
  { outputs, outputUnits, failures, stoppedAt, log }: FireOutcome,
  { units }: Pick<FireCall, 'units'>,
): boolean {
  const run = stoppedAt ?? units.length;
  const failed = failures.map(({ unit }) => unit);
  return (
    Number.isInteger(run) &&
    run >= Math.min(1, units.length) &&
    run <= units.length &&
    placesHold(outputs, outputUnits, run) &&
    failuresHold(failed, (unit) => unit, run) &&
    outputUnits.every((unit) => !failed.includes(unit)) &&
    linesHold(log)
  );
}

const placeIn = (places: ReadonlyMap<number, number>) => (offset: number) =>
  places.get(offset) ?? -1;

const isRun = (place: number, run: number) => Number.isInteger(place) && place >= 0 && place < run;

/** A place for each output, not decreasing. */
const placesHold = (outputs: string, places: number[], run: number) =>
  typeof outputs === 'string' &&
  countNewlines(outputs) === places.length &&
  places.every((place, i) => isRun(place, run) && place >= (places[i - 1] ?? 0));

const failuresHold = (failed: number[], placeOf: (at: number) => number, run: number) =>
  failed.every(
    (at, i) => isRun(placeOf(at), run) && (i === 0 || placeOf(at) > placeOf(failed[i - 1] ?? -1)),
  );

const linesHold = (log: string[]) => log.every((line) => typeof line === 'string');

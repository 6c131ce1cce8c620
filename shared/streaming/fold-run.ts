// Runs events that change the states of their keys, through `process(event, state, ctx)` or `add(state, event, ctx)`.
// An event whose code throws, or returns undefined, leaves the state as it was, also when it changed the object that
// it was given. That costs a text of the state after each event. Large states are spared it: while nothing of that
// kind happens their text is only made now and then. When it does happen, all is run again, with every text made
// (and fresh module variables): the second run is the one that counts. The price: what is no JSON, or too much, in a
// large state is noticed when its text is made; what the next events have taken out again by then is not.
import { failuresByOffset, stoppedBefore } from './event-lines.ts';
import { FoldPass } from './fold-pass.ts';
import type { FoldCare } from './fold-states.ts';
import { realNow } from '../sandbox/intrinsics.ts';
import type { FoldEvent, KeyState } from './key-state.ts';
import { type CodeResult, withFunctions } from '../sandbox/load.ts';
import type { FoldCall, FoldOutcome } from './process.ts';
import { UserCalls } from '../sandbox/user-calls.ts';
import { gather } from '../sandbox/slot.ts';
import { type CodeRun, PROCESS_BOUNDS } from '../sandbox/work.ts';

export type FoldRun = CodeRun<FoldCall>;
export type FoldResult = CodeResult<FoldOutcome>;

/** Rejects only when `call` is not what the log and a shard keep. */
export async function runFold(run: FoldRun): Promise<FoldResult> {
  const beganMs = realNow();
  let care: FoldCare = 'quick';
  for (;;) {
    const result: CodeResult<FoldOutcome | FoldCare> = await runPass(run, care, beganMs);
    if (!result.ok) return result;
    const { outcome } = result;
    if (typeof outcome !== 'string') return { ok: true, outcome };
    care = outcome;
  }
}

/** What came out, or how the events have to be run again. Each pass has fresh module variables. */
const runPass = (run: FoldRun, care: FoldCare, beganMs: number) =>
  withFunctions(run, functionsOf(run.call), async (functions, steps) => {
    const pass: FoldPass = new FoldPass(run.call, functions, care, () => events);
    const bounds = run.bounds ?? PROCESS_BOUNDS;
    const inFlight = care === 'alone' ? 1 : bounds.inFlight;
    const setting = { ...run, bounds: { ...bounds, inFlight } };
    const events: UserCalls<FoldEvent> = new UserCalls(setting, steps, pass, beganMs);
    await events.run();
    return pass.again ?? outcomeOf(run.call, pass, events);
  });

function functionsOf({ calls, states }: FoldCall): ('process' | 'add' | 'merge')[] {
  for (let i = 0; i < states.length; i++) {
    if ((states[i] as FoldCall['states'][number])[1].length > 1) return [calls, 'merge'];
  }
  return [calls];
}

function outcomeOf(
  { keepGoing }: FoldCall,
  pass: FoldPass,
  { slots, end, log }: UserCalls<FoldEvent>,
): FoldOutcome {
  const gathered = gather(slots, end, ({ own }) => own.offset);
  const failures = failuresByOffset(gathered.failures);
  const nothing = { changed: [], outputs: '', outputOffsets: [], stoppedAt: null };
  if (!keepGoing && failures.length > 0) return { ...nothing, failures, log };
  const changed: FoldOutcome['changed'] = [];
  const { keys } = pass.states;
  for (let i = 0; i < keys.length; i++) {
    const { key, kept, existed } = keys[i] as KeyState;
    const state = kept?.text ?? null;
    // What came and went in between was never there.
    if (!kept || (state === null && !existed)) continue;
    changed[changed.length] = { key, state, ttlMs: kept.ttlMs };
  }
  const { outputs, places } = gathered;
  const stoppedAt = stoppedBefore(pass.lineOf(end));
  return { changed, outputs, outputOffsets: places, failures, stoppedAt, log };
}

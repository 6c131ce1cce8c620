// Runs a batch of events through `process(event, ctx)`, side by side; their outputs stay in the order of the events.
import { failuresByOffset, linesOf, stoppedBefore } from './event-lines.ts';
import { apply, isIn, parse } from '../sandbox/intrinsics.ts';
import { type CodeResult, contextFor, type UserFunction, withFunctions } from '../sandbox/load.ts';
import type { ProcessCall, ProcessOutcome } from './process.ts';
import { UserCalls } from '../sandbox/user-calls.ts';
import { gather, type Slot } from '../sandbox/slot.ts';
import type { StepCount } from '../sandbox/step-count.ts';
import type { CodeRun, Work } from '../sandbox/work.ts';

export type ProcessRun = CodeRun<ProcessCall>;
export type ProcessResult = CodeResult<ProcessOutcome>;

/** Rejects only when `call` is not what the log keeps. */
export const runProcess = (run: ProcessRun): Promise<ProcessResult> =>
  withFunctions(run, ['process'], ({ process }, steps) => outcomeOf(run, steps, process));

interface OneEvent {
  offset: number;
  event: unknown;
}

async function outcomeOf(
  run: ProcessRun,
  steps: StepCount,
  process: UserFunction,
): Promise<ProcessOutcome> {
  const { types, text } = run.call;
  const lines = linesOf(text);
  const work: Work<OneEvent> = {
    name: 'process',
    count: lines.length,
    open(order) {
      const event = parse(lines[order] as string) as { offset: number; type: string };
      if (types !== null && !isIn(types, event.type)) return null;
      return { offset: event.offset, event };
    },
    call(slot) {
      const { event } = slot.own;
      slot.own.event = null;
      // Not as a method: `this` is none of the program's business.
      return apply(process, undefined, [event, contextFor(events.source, slot, slot.outputs)]);
    },
    take: ({ outputs }, returned) => outputs.take(returned),
  };
  const events = new UserCalls(run, steps, work);
  await events.run();
  await events.stopEndless();
  const { end, log } = events;
  const { outputs, places, failures, done, passedOver } = gather(events.slots, end, offsetIn);
  return {
    outputs,
    outputOffsets: places,
    processed: done,
    passedOver,
    failures: failuresByOffset(failures),
    stoppedAt: stoppedBefore(lines[end]),
    log,
  };
}

const offsetIn = ({ own }: Slot<OneEvent>): number => own.offset;

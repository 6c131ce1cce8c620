// One event of a batch while it runs, and what a batch of them comes to.
import type { TaskError } from '../schemas/job.ts';
import type { Caller } from './host-calls.ts';
import { dictionary, parse, realNow } from './intrinsics.ts';
import type { Outputs } from './outputs.ts';
import type { ProcessOutcome } from './process.ts';

export interface Slot extends Caller {
  offset: number;
  line: string;
  beganMs: number;
  outputs: Outputs;
  error: TaskError | null;
}

export const newSlot = (order: number, offset: number, line: string, outputs: Outputs): Slot => ({
  order,
  offset,
  line,
  beganMs: realNow(),
  outputs,
  error: null,
  ended: false,
  heldBytes: 0,
  payloads: dictionary(),
});

/** Of the lines before `end`; null stands for an event that was passed over. */
export function outcomeOf(
  slots: readonly (Slot | null)[],
  lines: readonly string[],
  end: number,
  log: string[],
): ProcessOutcome {
  const outcome: ProcessOutcome = {
    outputs: '',
    outputOffsets: [],
    processed: 0,
    passedOver: 0,
    failures: [],
    stoppedAt: null,
    log,
  };
  const { outputOffsets, failures } = outcome;
  for (let i = 0; i < end; i++) {
    const slot = slots[i];
    if (!slot) outcome.passedOver++;
    else if (slot.error) {
      failures[failures.length] = { offset: slot.offset, error: slot.error };
    } else {
      outcome.processed++;
      outcome.outputs += slot.outputs.text;
      for (let n = 0; n < slot.outputs.count; n++) {
        outputOffsets[outputOffsets.length] = slot.offset;
      }
    }
  }
  const next = lines[end];
  if (next !== undefined) outcome.stoppedAt = (parse(next) as { offset: number }).offset;
  return outcome;
}

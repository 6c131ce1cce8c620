// One of many calls of user code while it runs, and what all of them come to.
import type { TaskError } from '../schemas/job.ts';
import type { Caller } from './host-calls.ts';
import { dictionary } from './intrinsics.ts';
import type { Outputs } from './outputs.ts';

export interface Slot<Own> extends Caller {
  /** What the kind of run keeps of it. */
  own: Own;
  /** 0: not yet. */
  beganMs: number;
  outputs: Outputs;
  error: TaskError | null;
}

export const newSlot = <Own>(order: number, own: Own, outputs: Outputs): Slot<Own> => ({
  order,
  own,
  beganMs: 0,
  outputs,
  error: null,
  ended: false,
  heldBytes: 0,
  payloads: dictionary(),
});

export interface Gathered {
  outputs: string;
  /** Where each output comes from: not decreasing. */
  places: number[];
  /** In order. */
  failures: { at: number; error: TaskError }[];
  done: number;
  passedOver: number;
}

/** Of what lies before `end`; null stands for what was passed over. */
export function gather<Own>(
  slots: readonly (Slot<Own> | null | undefined)[],
  end: number,
  placeOf: (slot: Slot<Own>) => number,
): Gathered {
  const gathered: Gathered = { outputs: '', places: [], failures: [], done: 0, passedOver: 0 };
  const { places, failures } = gathered;
  for (let i = 0; i < end; i++) {
    const slot = slots[i];
    if (!slot) gathered.passedOver++;
    else if (slot.error) {
      failures[failures.length] = { at: placeOf(slot), error: slot.error };
    } else {
      gathered.done++;
      const { text, count } = slot.outputs;
      if (count === 0) continue;
      gathered.outputs += text;
      const place = placeOf(slot);
      for (let n = 0; n < count; n++) places[places.length] = place;
    }
  }
  return gathered;
}

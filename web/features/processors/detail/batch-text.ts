// Windows in words. Pure.
import type { BatchRange, WindowLimits } from '../../../../shared/schemas/processor.ts';
import { bytes, duration, exact } from '../../../lib/format.ts';

/** "closes at 1,000 events, 105 MB or 1 min 00 s after its first event" */
export function boundsText({ maxEvents, maxBytes, maxWaitMs }: WindowLimits): string {
  return `closes at ${exact(maxEvents)} events, ${bytes(maxBytes)}, or ${duration(maxWaitMs)} after its first event`;
}

/** "orders 0: 12–40"; the end that is written is inside. */
export function rangeText({ stream, partition, from, to }: BatchRange): string {
  return `${stream} ${partition}: ${exact(from)}–${exact(to - 1)}`;
}

// What this tab's lending is doing, in the few words that fit beside a switch. Pure.
import { plural } from './format.ts';

export type LendingStatus =
  'off' | 'connecting' | 'lending' | 'snoozed' | 'finishing' | 'paused' | 'refused';

export function lendingLine(
  status: LendingStatus,
  why: string,
  busyCores: number,
  cores: number,
): string {
  switch (status) {
    case 'off':
      return `${plural(cores, 'core')} to spare`;
    case 'connecting':
      return why || 'connecting';
    case 'lending':
      return busyCores > 0 ? `${busyCores} of ${plural(cores, 'core')} at work` : why || 'waiting';
    case 'snoozed':
      return why || 'snoozed';
    case 'finishing':
      return busyCores > 0 ? `finishing ${plural(busyCores, 'task')}` : 'finishing';
    case 'paused':
      return why || 'paused';
    case 'refused':
      return why || 'refused';
  }
}

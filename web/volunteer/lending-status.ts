// What a lending tab says of itself, from the facts: one status and, when nothing runs, why. Pure.
import type { Capacity } from './lender.ts';

export type LendingStatus =
  'off' | 'connecting' | 'lending' | 'snoozed' | 'finishing' | 'paused' | 'refused';

export interface LendingFacts {
  /** The person pressed Start. */
  wanted: boolean;
  /** Why lending ended for good; '' while it may go on. */
  refusal: string;
  finishing: boolean;
  snoozedUntilMs: number | null;
  /** The person's own rules: battery, metered data. */
  pauseReason: string;
  connected: boolean;
  /** What the lobby or the connection says. */
  lobbyReason: string;
}

export function lendingStatus(facts: LendingFacts): { status: LendingStatus; why: string } {
  if (facts.refusal !== '') return { status: 'refused', why: facts.refusal };
  if (!facts.wanted) return { status: 'off', why: 'not lending' };
  if (facts.finishing) return { status: 'finishing', why: '' };
  if (facts.snoozedUntilMs !== null) return { status: 'snoozed', why: 'snoozed' };
  if (facts.pauseReason !== '') return { status: 'paused', why: facts.pauseReason };
  if (!facts.connected) return { status: 'connecting', why: facts.lobbyReason || 'connecting' };
  return { status: 'lending', why: facts.lobbyReason };
}

/** How many workers may run, and what the lobby is told. */
export function capacityOf(facts: LendingFacts, cores: number): Capacity {
  if (facts.finishing) return { slots: 0, state: 'finishing' };
  if (facts.snoozedUntilMs !== null || facts.pauseReason !== '')
    return { slots: 0, state: 'snoozed' };
  return { slots: cores, state: 'lending' };
}

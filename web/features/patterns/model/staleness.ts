// A change of address and a mail sent at the same moment: which mailbox each of the two mailers chose, and why. A
// service that is asked has every change that it took in; a store has what has reached it. Pure.
import { duration } from '../../../lib/format.ts';

export interface Place {
  partition: number;
  offset: number;
}

/** What became of one mail at one of the two mailers. */
export type Delivery =
  | { state: 'underway' }
  | { state: 'dead' }
  /** `update`: the change of the user that the address came from, where that is known. */
  | { state: 'sent'; to: string; tookMs: number; atMs: number; update: Place | null };

export interface Trial {
  /** The mail's event id. */
  mail: string;
  userId: string;
  name: string;
  startedMs: number;
  /** The address that the user got at the same moment; null: only a mail was sent. */
  newAddress: string | null;
  change: 'none' | 'asked' | 'stored' | 'refused';
  /** When the store knew of the change, and where in the stream of changes that lies. */
  applied: { place: Place; atMs: number } | null;
  fromStore: Delivery;
  byAsking: Delivery;
}

export type Mailer = 'fromStore' | 'byAsking';
export type Verdict = 'underway' | 'dead' | 'sent' | 'new' | 'old';

export function verdictOf(trial: Trial, mailer: Mailer): Verdict {
  const delivery = trial[mailer];
  if (delivery.state !== 'sent') return delivery.state;
  if (trial.newAddress === null || trial.change === 'refused') return 'sent';
  return delivery.to === trial.newAddress ? 'new' : 'old';
}

const placeText = ({ partition, offset }: Place) => `users/${partition} offset ${offset}`;

export function whyOf(trial: Trial, mailer: Mailer): string {
  return mailer === 'fromStore' ? whyFromStore(trial) : whyByAsking(trial);
}

function whyFromStore(trial: Trial): string {
  const { fromStore: delivery, applied } = trial;
  const update = delivery.state === 'sent' ? delivery.update : null;
  switch (verdictOf(trial, 'fromStore')) {
    case 'underway':
      return 'on its way';
    case 'dead':
      return 'nothing was known of the user: a dead letter';
    case 'sent':
      return update ? `it knew ${placeText(update)}, and asked nobody` : 'it asked nobody';
    case 'new':
      return update
        ? `the change, ${placeText(update)}, was in the store already`
        : 'the change was in the store already';
    case 'old': {
      const knew = update ? `the store knew ${placeText(update)}` : 'the store had an older one';
      if (!applied) return `${knew}; the change has not reached it yet`;
      return `${knew}; the change is offset ${applied.place.offset}, applied ${laterText(trial)}`;
    }
  }
}

function laterText({ applied, fromStore }: Trial): string {
  const laterMs = applied && fromStore.state === 'sent' ? applied.atMs - fromStore.atMs : 0;
  return laterMs < 1 ? 'right after' : `${duration(laterMs)} later`;
}

function whyByAsking(trial: Trial): string {
  switch (verdictOf(trial, 'byAsking')) {
    case 'underway':
      return 'asks the service';
    case 'dead':
      return 'the service failed each time it was asked: a dead letter';
    case 'sent':
      return 'the service answered';
    case 'new':
      return 'the service had the change when it was asked';
    case 'old':
      return 'the service was asked before it had stored the change';
  }
}

export interface Tally {
  new: number;
  old: number;
  sent: number;
  underway: number;
  dead: number;
  /** Of mails that were sent; null without any. */
  medianMs: number | null;
}

export function tallyOf(trials: readonly Trial[], mailer: Mailer): Tally {
  const tally: Tally = { new: 0, old: 0, sent: 0, underway: 0, dead: 0, medianMs: null };
  const took: number[] = [];
  for (const trial of trials) {
    tally[verdictOf(trial, mailer)]++;
    const delivery = trial[mailer];
    if (delivery.state === 'sent') took.push(delivery.tookMs);
  }
  took.sort((a, b) => a - b);
  tally.medianMs = took[Math.floor(took.length / 2)] ?? null;
  return tally;
}

// What a run keeps: small outputs, items and events in memory, as many as fit, and the claims that it refers to, which
// stay while it does. Who still has to hear of a claim is stored with it.
import { RUN_HELD_MAX_CHARS } from '../../../../shared/limits.ts';
import type { TaskError } from '../../../../shared/schemas/job.ts';
import { tokensOf } from './run-claims.ts';
import type { RunDesk } from './run-coordinator.ts';
import type { RunRecord } from './run-record.ts';
import type { Output } from '../../../contracts/run.rpc.ts';

export class RunHeld {
  readonly #desk: RunDesk;
  /** Characters that lie in memory. */
  #chars: number;

  constructor(desk: RunDesk) {
    this.#desk = desk;
    this.#chars = charsWithin(desk.record);
  }

  /** Null: so many characters more may be kept. */
  problemOf(chars: number): TaskError | null {
    if (this.#chars + chars <= RUN_HELD_MAX_CHARS) return null;
    const message = `the small outputs and items of a run have at most ${RUN_HELD_MAX_CHARS} characters together; larger outputs, and bytes, are kept outside`;
    return { code: 'memory', message };
  }

  problemWith(outputs: readonly Output[]): TaskError | null {
    return this.problemOf(outputs.reduce((sum, output) => sum + charsOf(output), 0));
  }

  /** Within a turn. */
  keep(chars: number, tokens: readonly string[] = []): void {
    this.#chars += chars;
    if (tokens.length === 0) return;
    this.#desk.store.addClaims(tokens);
    this.settle();
  }

  /** Within a turn: outputs that count. */
  keepOutputs(outputs: readonly Output[]): void {
    const chars = outputs.reduce((sum, output) => sum + charsOf(output), 0);
    this.keep(chars, tokensOf(outputs));
  }

  /** Tells the claims that were not told yet. */
  settle(): void {
    const desk = this.#desk;
    if (desk.store.claims('owed').length === 0) return;
    desk.chores.add('claims', desk.ports.nowMs(), async () => {
      for (const { n, tokens } of desk.store.claims('owed')) {
        await desk.ports.hold(desk.run, tokens);
        desk.count({ durableObjectRequest: tokens.length, rowWritten: 2 * tokens.length });
        if (desk.closed) return null;
        desk.store.transaction(() => desk.store.claimsHeld(n));
      }
      return null;
    });
  }
}

function charsWithin(record: RunRecord): number {
  let chars = 0;
  for (const waiting of Object.values(record.signals)) {
    for (const json of waiting) chars += json.length;
  }
  for (const { output, items, events } of Object.values(record.steps)) {
    if (output) chars += charsOf(output);
    for (const json of Object.values(events)) chars += json.length;
    for (const { json, unit } of items ?? []) {
      chars += json.length + (unit.output ? charsOf(unit.output) : 0);
    }
  }
  return chars;
}

const charsOf = (output: Output) => (output.kind === 'json' ? output.json.length : 0);

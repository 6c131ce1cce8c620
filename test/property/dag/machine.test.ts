// A DAG run under any schedule: random graphs, failures, conditions, signals, restarts at every point. What it comes
// to has to be what going through the steps one after the other gives.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { needsOf, readGraph } from '../../../shared/dag/graph.ts';
import { STEP_LOST_MAX } from '../../../shared/limits.ts';
import { seededRandom } from '../../../shared/sandbox/determinism.ts';
import { DagSpec, type StepState } from '../../../shared/schemas/dag.ts';
import { type Command, Machine } from '../../../worker/jobs/dag/run/machine.ts';
import type { Output, Unit } from '../../../worker/contracts/run.rpc.ts';
import { newRun, type RunRecord } from '../../../worker/jobs/dag/run/run-record.ts';

type Kind = 'edge' | 'forEach' | 'sleep' | 'wait' | 'job';

/** A step of the plan: what it is, and what will become of it. */
interface Planned {
  kind: Kind;
  needs: number[];
  /** Null: no condition. */
  when: boolean | null;
  runsAfterSkipped: boolean;
  maxAttempts: number;
  /** How often each unit fails before it would succeed. */
  failures: number[];
}

const planned = (index: number): fc.Arbitrary<Planned> =>
  fc.record({
    kind: fc.constantFrom<Kind>('edge', 'edge', 'forEach', 'sleep', 'wait', 'job'),
    needs: fc.uniqueArray(fc.nat({ max: Math.max(0, index - 1) }), {
      maxLength: index === 0 ? 0 : 3,
    }),
    when: fc.constantFrom(null, null, null, true, false),
    runsAfterSkipped: fc.boolean(),
    maxAttempts: fc.integer({ min: 1, max: 3 }),
    failures: fc.array(fc.constantFrom(0, 0, 0, 1, 2, 3), { minLength: 1, maxLength: 4 }),
  });
const plans = fc
  .integer({ min: 1, max: 12 })
  .chain((count) => fc.tuple(...Array.from({ length: count }, (_, index) => planned(index))));

const nameOf = (index: number) => `s${index}`;

function specOf(plan: readonly Planned[]): DagSpec {
  const step = ({ kind, needs, when, runsAfterSkipped, maxAttempts }: Planned, index: number) => {
    const common = {
      needs: needs.map(nameOf),
      afterSkipped: runsAfterSkipped ? 'run' : 'skip',
      ...(when !== null && { when: String(when) }),
    };
    const tried = { retry: { maxAttempts, baseMs: 10, maxMs: 100 } };
    switch (kind) {
      case 'edge':
        return { ...common, ...tried, run: 'edge', code: 'x' };
      case 'forEach':
        return { ...common, ...tried, run: 'edge', code: 'x', forEach: 'x', concurrency: 2 };
      case 'job':
        return { ...common, ...tried, run: 'volunteer', code: 'x' };
      case 'sleep':
        return { ...common, run: 'sleep', ms: 50 };
      case 'wait':
        return { ...common, run: 'wait', signal: `go${index}` };
    }
  };
  const steps = Object.fromEntries(plan.map((one, index) => [nameOf(index), step(one, index)]));
  return DagSpec.parse({ kind: 'dag', steps });
}

const unitsOf = ({ kind, failures }: Planned) => (kind === 'forEach' ? failures.length : 1);
const mayFail = ({ kind }: Planned) => kind !== 'sleep' && kind !== 'wait';

/** The steps one after the other. */
function reference(plan: readonly Planned[]): StepState[] {
  const states: StepState[] = [];
  for (const step of plan) {
    const before = step.needs.map((need) => states[need]);
    if (before.some((state) => state === 'failed' || state === 'cancelled')) {
      states.push('cancelled');
    } else if (before.includes('skipped') && !step.runsAfterSkipped) states.push('skipped');
    else if (step.when === false) states.push('skipped');
    else {
      const failures = step.failures.slice(0, unitsOf(step));
      const fails = mayFail(step) && failures.some((count) => count >= step.maxAttempts);
      states.push(fails ? 'failed' : 'done');
    }
  }
  return states;
}

const outputOf = (index: number, item: number | null): Output => ({
  kind: 'json',
  json: JSON.stringify([index, item]),
});

interface Doing {
  index: number;
  unit: Unit;
  attempt: number;
}

/** Drives a machine by chance: order of answers, lost and late ones, restarts. */
class World {
  nowMs = 0;
  machine: Machine;
  #doing: Doing[] = [];
  #evaluating: number[] = [];
  readonly #plan: readonly Planned[];
  readonly #spec: DagSpec;
  readonly #random: () => number;
  readonly #dependents: Map<string, string[]>;
  /** Failures that were accepted, by unit. */
  readonly #failed = new Map<string, number>();
  readonly finished = new Set<string>();
  #restarts = 0;

  constructor(plan: readonly Planned[], random: () => number) {
    this.#plan = plan;
    this.#random = random;
    this.#spec = specOf(plan);
    const graph = readGraph(needsOf(this.#spec.steps));
    if (!graph.ok) throw new Error('the plan has a cycle');
    this.#dependents = graph.dependents;
    this.machine = this.#machineOver(newRun(this.#spec, 0));
  }

  #machineOver(record: RunRecord): Machine {
    return new Machine(this.#spec, this.#dependents, record, this.#random);
  }

  get states(): StepState[] {
    return this.#plan.map((_, index) => this.machine.record.steps[nameOf(index)]!.state);
  }

  /** Whatever was under way goes on, and may answer; the machine is another one over what was stored. */
  restart(): void {
    this.#restarts++;
    const stored = structuredClone(this.machine.record);
    this.machine = this.#machineOver(stored);
    this.machine.restart(this.nowMs);
  }

  run(restarts: boolean): void {
    for (let turn = 0; this.machine.record.state === 'running'; turn++) {
      if (turn > 5_000) throw new Error(`it does not end: ${JSON.stringify(this.machine.record)}`);
      const capacity = 1 + Math.floor(this.#random() * 4);
      for (const command of this.machine.next(this.nowMs, capacity)) this.#carryOut(command);
      if (this.machine.record.state !== 'running') return;
      if (restarts && this.#restarts < STEP_LOST_MAX - 1 && this.#random() < 0.08) this.restart();
      else this.#happen();
    }
  }

  #carryOut(command: Command): void {
    switch (command.kind) {
      case 'evaluate':
        this.#evaluating.push(indexOf(command.step));
        return;
      case 'run': {
        const { unit, attempt } = command;
        this.#checkMayRun(unit);
        this.#doing.push({ index: indexOf(unit.step), unit, attempt });
        return;
      }
      case 'submit': {
        const unit = { step: command.step, item: null };
        this.#checkMayRun(unit);
        const { attempt } = command;
        this.machine.submitted(command.step, attempt, `job-${command.step}-${attempt}`);
        this.#doing.push({ index: indexOf(command.step), unit, attempt });
        return;
      }
      case 'cancelJob':
      case 'watch':
      case 'unwatch':
        return;
    }
  }

  #checkMayRun(unit: Unit): void {
    const step = this.#plan[indexOf(unit.step)]!;
    for (const need of step.needs) {
      expect(['done', 'skipped']).toContain(this.machine.record.steps[nameOf(need)]!.state);
    }
    expect(this.finished.has(keyOf(unit))).toBe(false);
  }

  #happen(): void {
    const evaluating = takeOne(this.#evaluating, this.#random);
    if (evaluating !== undefined && this.#random() < 0.7) {
      const { kind, when, failures } = this.#plan[evaluating]!;
      const items = kind === 'forEach' ? failures.map((_, item) => String(item)) : null;
      this.machine.evaluated(nameOf(evaluating), { when, items, key: null }, this.nowMs);
      return;
    }
    if (evaluating !== undefined) this.#evaluating.push(evaluating);
    const doing = takeOne(this.#doing, this.#random);
    if (doing && this.#random() < 0.8) return this.#answer(doing);
    if (doing) this.#doing.push(doing);
    const waiting = this.#plan.findIndex(
      ({ kind }, index) =>
        kind === 'wait' &&
        this.machine.record.steps[nameOf(index)]!.state !== 'done' &&
        !this.machine.record.signals[`go${index}`]?.length,
    );
    // Also before anything waits for it.
    if (waiting >= 0 && this.#random() < 0.5) this.machine.signal(`go${waiting}`, String(waiting));
    const wakeMs = this.machine.wakeAtMs(this.nowMs);
    // Waits for signals may last a year, and nobody lets them.
    const soonMs = wakeMs !== null && wakeMs < this.nowMs + 1_000 ? wakeMs : 0;
    this.nowMs = Math.max(this.nowMs + 1, soonMs);
  }

  #answer({ index, unit, attempt }: Doing): void {
    const key = keyOf(unit);
    const fails = this.#plan[index]!.failures[unit.item ?? 0]!;
    if ((this.#failed.get(key) ?? 0) < fails) {
      const error = { code: 'program_threw', message: 'by plan' } as const;
      if (this.machine.failed(unit, attempt, error, this.nowMs)) {
        this.#failed.set(key, (this.#failed.get(key) ?? 0) + 1);
      }
    } else if (this.machine.succeeded(unit, attempt, outputOf(index, unit.item), this.nowMs)) {
      this.finished.add(key);
    }
  }

  /** From now on nothing fails. */
  heal(): void {
    for (const { failures } of this.#plan) failures.fill(0);
    this.#doing = [];
    this.#evaluating = [];
  }
}

const indexOf = (name: string) => Number(name.slice(1));
const keyOf = ({ step, item }: Unit) => `${step}/${item ?? ''}`;

function takeOne<Item>(list: Item[], random: () => number): Item | undefined {
  return list.splice(Math.floor(random() * list.length), 1)[0];
}

const chance = fc.nat().map((seed) => () => seededRandom(`dag ${seed}`));

test('a run comes to what its steps come to one after the other, whatever fails and restarts', () => {
  fc.assert(
    fc.property(plans, chance, fc.boolean(), (plan, random, restarts) => {
      const world = new World(plan, random());
      world.run(restarts);
      const states = reference(plan);
      expect(world.states).toEqual(states);
      expect(world.machine.record.state).toBe(states.includes('failed') ? 'failed' : 'done');
      plan.forEach((step, index) => {
        const record = world.machine.record.steps[nameOf(index)]!;
        if (record.state !== 'done' || !mayFail(step)) return;
        if (step.kind !== 'forEach') expect(record.output).toEqual(outputOf(index, null));
        else {
          const outputs = record.items!.map(({ unit }) => unit.output);
          expect(outputs).toEqual(step.failures.map((_, item) => outputOf(index, item)));
        }
      });
    }),
    { numRuns: 400 },
  );
});

test('what is tried again keeps what was finished, and comes to its end when nothing fails any more', () => {
  fc.assert(
    fc.property(plans, chance, (plan, random) => {
      const own = structuredClone(plan) as Planned[];
      const world = new World(own, random());
      world.run(true);
      const failed = world.states.includes('failed');
      expect(world.machine.retry()).toBe(failed);
      if (!failed) return;
      // `checkMayRun` throws should a finished unit run again.
      world.heal();
      world.run(true);
      expect(world.states).toEqual(reference(own));
      expect(world.machine.record.state).toBe('done');
    }),
    { numRuns: 200 },
  );
});

test('a cancelled run begins nothing more, and can be taken up again', () => {
  fc.assert(
    fc.property(plans, chance, fc.nat({ max: 30 }), (plan, random, turns) => {
      const own = structuredClone(plan) as Planned[];
      const world = new World(own, random());
      for (let turn = 0; turn < turns; turn++) {
        if (world.machine.record.state !== 'running') break;
        world.machine.next(world.nowMs++, 1);
      }
      const running = world.machine.record.state === 'running';
      expect(world.machine.cancel(world.nowMs)).toBe(running);
      const commands = world.machine.next(world.nowMs, 10);
      expect(commands.filter(({ kind }) => kind === 'run' || kind === 'submit')).toEqual([]);
      if (!running) return;
      expect(world.machine.record.state).toBe('cancelled');
      world.heal();
      world.machine.retry();
      world.run(false);
      expect(world.states).toEqual(reference(own));
    }),
    { numRuns: 200 },
  );
});

// A run with its tables, through deaths at any statement and after any turn, lost calls and late answers: it comes to
// what going through its steps one after the other gives, and leaves nothing behind.
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { seededRandom } from '../../../shared/sandbox/determinism.ts';
import { DagSpec, type StepState } from '../../../shared/schemas/dag.ts';
import { KEY, type Plan, RunWorld } from './run-world.ts';

type Kind = 'edge' | 'each' | 'sleep' | 'signal' | 'events' | 'job';

interface Planned {
  kind: Kind;
  needs: number[];
  when: boolean | null;
  runsAfterSkipped: boolean;
  maxAttempts: number;
  failures: number[];
}

const planned = (index: number): fc.Arbitrary<Planned> =>
  fc.record({
    kind: fc.constantFrom<Kind>('edge', 'edge', 'each', 'each', 'sleep', 'signal', 'events', 'job'),
    needs: fc.uniqueArray(fc.nat({ max: Math.max(0, index - 1) }), {
      maxLength: index === 0 ? 0 : 3,
    }),
    when: fc.constantFrom(null, null, null, true, false),
    runsAfterSkipped: fc.boolean(),
    maxAttempts: fc.integer({ min: 1, max: 3 }),
    failures: fc.array(fc.constantFrom(0, 0, 0, 0, 1, 2, 3), { minLength: 1, maxLength: 120 }),
  });
const plans = fc
  .integer({ min: 1, max: 8 })
  .chain((count) => fc.tuple(...Array.from({ length: count }, (_, index) => planned(index))));

const nameOf = (index: number) => `s${index}`;
const fails = ({ kind }: Planned) => kind === 'edge' || kind === 'each' || kind === 'job';
const unitsOf = ({ kind, failures }: Planned) =>
  kind === 'each' ? failures : failures.slice(0, 1);

function specOf(plan: readonly Planned[]): DagSpec {
  const step = ({ kind, needs, when, runsAfterSkipped, maxAttempts }: Planned, index: number) => {
    const common = {
      needs: needs.map(nameOf),
      afterSkipped: runsAfterSkipped ? 'run' : 'skip',
      ...(when !== null && { when: 'x' }),
    };
    const tried = { retry: { maxAttempts, baseMs: 10, maxMs: 100 } };
    switch (kind) {
      case 'edge':
        return { ...common, ...tried, run: 'edge', code: 'x' };
      case 'each':
        return { ...common, ...tried, run: 'edge', code: 'x', forEach: 'x', concurrency: 60 };
      case 'job':
        return {
          ...common,
          ...tried,
          run: 'mapreduce',
          job: { input: { inline: 'x' }, code: 'x' },
        };
      case 'sleep':
        return { ...common, run: 'sleep', ms: 50 };
      case 'signal':
        return { ...common, run: 'wait', signal: `go${index}` };
      case 'events':
        return { ...common, run: 'wait', stream: 'log', types: ['A', 'B'], key: 'x' };
    }
  };
  const steps = Object.fromEntries(plan.map((one, index) => [nameOf(index), step(one, index)]));
  return DagSpec.parse({ kind: 'dag', steps });
}

function worldOf(plan: readonly Planned[], random: () => number, cruel: boolean): RunWorld {
  const of = (name: string) => plan[Number(name.slice(1))] as Planned;
  const shares = cruel
    ? { deaths: 0.004, deathsAfterTurns: 0.06, lost: 0.02, swallowed: 0.03 }
    : NO_DEATHS;
  const world: Plan = {
    spec: specOf(plan),
    streams: [{ stream: 'log', uid: 'stream_1', ends: [5, 7, 9] }],
    failuresOf: (unit) => {
      const [step = '', item = '0'] = unit.split('/');
      return of(step).failures[Number(item)] ?? 0;
    },
    whenOf: (step) => of(step).when ?? true,
    itemsOf: (step) => of(step).failures.length,
    ...shares,
  };
  return new RunWorld(world, random);
}
const NO_DEATHS = { deaths: 0, deathsAfterTurns: 0, lost: 0, swallowed: 0 };

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
      const failed = fails(step) && unitsOf(step).some((count) => count >= step.maxAttempts);
      states.push(failed ? 'failed' : 'done');
    }
  }
  return states;
}

/** Signals come once, some early; events come to whoever watches. */
function givers(plan: readonly Planned[], random: () => number) {
  const open = plan.flatMap(({ kind }, index) => (kind === 'signal' ? [index] : []));
  return (world: RunWorld) => {
    const { run } = world;
    if (!run) return;
    const index = open[0];
    if (index !== undefined && random() < 0.2) {
      // A run that dies before it could say so hears it again.
      if (run.signal(`go${index}`, JSON.stringify(index)) === 'taken') open.shift();
    }
    for (const [at, { kind }] of plan.entries()) {
      const step = nameOf(at);
      if (kind !== 'events' || random() > 0.2) continue;
      for (const partition of [0, 1, 2]) {
        const watching = run.watches.watching(step, partition);
        if (!watching || !world.watching.has(`${step}/${partition}`)) continue;
        expect(watching).toMatchObject({ key: KEY, types: ['A', 'B'] });
        const type = random() < 0.5 ? 'A' : 'B';
        run.arrived(step, [{ type, json: JSON.stringify({ type, n: 1 }) }]);
        run.watches.read(step, partition, watching.from + 600);
      }
    }
  };
}

const statesOf = (world: RunWorld, plan: readonly Planned[]) =>
  plan.map((_, index) => world.run?.record.steps[nameOf(index)]?.state);

function nothingLeft(world: RunWorld): void {
  const { run } = world;
  if (!run) throw new Error('no run');
  for (const [job, state] of world.jobs) expect([job, state]).not.toEqual([job, 'running']);
  // What the dead asked for last is let go at the next wake-up: nothing is waited for there.
  for (const place of world.watching) {
    const [step = '', partition] = place.split('/');
    expect(run.watches.watching(step, Number(partition))).toBeNull();
  }
  expect(world.told).toBe(run.record.state);
  const outputs = Object.values(run.record.steps).flatMap(({ output, items }) => [
    output,
    ...(items ?? []).map(({ unit }) => unit.output),
  ]);
  for (const output of outputs) {
    if (output?.kind === 'claim') expect([...world.held]).toContain(output.claim.token);
  }
  const seqs = run.store.eventsAfter(0, 100_000).map(({ seq }) => seq);
  expect(seqs).toEqual(seqs.map((_, i) => i + 1));
  // What is stored is what is in memory.
  const before = structuredClone(run.record);
  world.kill();
  expect(world.run?.record).toEqual(before);
}

describe('a run', () => {
  it('comes to what its steps come to one after the other, and stores no more than that', async () => {
    await fc.assert(
      fc.asyncProperty(plans, fc.string(), async (plan, seed) => {
        const random = seededRandom(seed);
        const world = worldOf(plan, random, false);
        await world.play(givers(plan, random));
        expect(statesOf(world, plan)).toEqual(reference(plan));
        for (const [attempt, times] of world.attempts)
          expect([attempt, times]).toEqual([attempt, 1]);
        nothingLeft(world);
      }),
      { numRuns: 60 },
    );
  });

  it('does so wherever it dies and whatever is lost', async () => {
    const errors = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    let deaths = 0;
    await fc.assert(
      fc.asyncProperty(plans, fc.string(), async (plan, seed) => {
        const random = seededRandom(seed);
        const world = worldOf(plan, random, true);
        const done = new Map<string, string>();
        const give = givers(plan, random);
        await world.play((now) => {
          give(now);
          // What is done once stays what it is.
          for (const [name, { state, output }] of Object.entries(now.run?.record.steps ?? {})) {
            const text = JSON.stringify(output);
            if (state !== 'done') expect(done.has(name)).toBe(false);
            else if (done.has(name)) expect(text).toBe(done.get(name));
            else done.set(name, text);
          }
        });
        deaths += world.deaths;
        expect(statesOf(world, plan)).toEqual(reference(plan));
        nothingLeft(world);
      }),
      { numRuns: 100 },
    );
    errors.mockRestore();
    expect(deaths).toBeGreaterThan(60);
  });

  it('cancelled anywhere it ends, and taken up again it comes to the same', async () => {
    const errors = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    await fc.assert(
      fc.asyncProperty(plans, fc.string(), async (plan, seed) => {
        const random = seededRandom(seed);
        const patient = plan.map((step) => ({ ...step, failures: step.failures.map(() => 0) }));
        const world = worldOf(patient, random, true);
        const give = givers(patient, random);
        let cancelled = false;
        let again = false;
        const move = (now: RunWorld) => {
          give(now);
          if (!cancelled && random() < 0.05) cancelled = now.run?.cancel() ?? false;
        };
        await world.play(move);
        if (world.run?.record.state === 'cancelled') {
          again = world.run.retry();
          expect(again).toBe(true);
          await world.play(give);
        }
        expect(statesOf(world, patient)).toEqual(reference(patient));
        nothingLeft(world);
      }),
      { numRuns: 60 },
    );
    errors.mockRestore();
  });
});

// Replays that take over, with a death before or after any step: the old generation serves until the new one has
// come as far, nothing between the two is left out, and no dead letter is lost or doubled.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  advance,
  covers,
  type End,
  type Cutover,
  type CutoverGeneration,
} from '../../worker/processors/definition/cutover.ts';

const PARTITIONS = 3;
const STREAM = 'stream_1';
class Death extends Error {}

/** A generation: how far each partition is, and its dead letters by offset. */
interface Fake {
  committed: number[];
  start: number;
  stopped: boolean;
  deleted: boolean;
  letters: Set<string>;
}

function world(plan: { from: number; deaths: number[]; lettersEvery: number }) {
  const logEnd = Array.from({ length: PARTITIONS }, () => 40);
  const make = (start: number): Fake => ({
    committed: Array.from({ length: PARTITIONS }, () => start),
    start,
    stopped: false,
    deleted: false,
    letters: new Set(),
  });
  const fakes = new Map<number, Fake>([
    [1, make(0)],
    [2, make(plan.from)],
  ]);
  const of = (generation: number) => fakes.get(generation) as Fake;
  let saved: Cutover = {
    active: { generation: 1, version: 1 },
    replay: { generation: 2, version: 2, startedAtMs: 0, phase: { kind: 'building' } },
    retired: [],
  };
  const deaths = [...plan.deaths];
  let calm = false;
  const mayDie = () => {
    if (!calm && deaths.shift() === 1) throw new Death();
  };
  const step = async <Result>(work: () => Result): Promise<Result> => {
    mayDie();
    const result = work();
    mayDie();
    return result;
  };
  const ends = ({ committed }: Fake): End[] =>
    committed.map((at, partition) => ({ streamUid: STREAM, partition, committed: at }));
  const generation = (number: number): CutoverGeneration => {
    const fake = of(number);
    return {
      nearEvents: 5,
      ends: () => step(() => ends(fake)),
      stop: () =>
        step(() => {
          fake.stopped = true;
          return ends(fake);
        }),
      transferDeadLetters: (to) =>
        step(() => {
          for (const letter of fake.letters) {
            if (Number(letter.split('/')[1]) < of(to).start) of(to).letters.add(letter);
          }
        }),
      delete: () =>
        step(() => {
          fake.deleted = true;
          fake.letters.clear();
        }),
    };
  };
  return {
    of,
    get saved() {
      return saved;
    },
    rest: () => (calm = true),
    /** Each generation that may read reads on; every so many events one is a dead letter. */
    read(partition: number, events: number) {
      for (const fake of fakes.values()) {
        if (fake.stopped || fake.deleted) continue;
        for (let i = 0; i < events; i++) {
          const at = fake.committed[partition] as number;
          if (at >= (logEnd[partition] as number)) break;
          if (at % plan.lettersEvery === 0) fake.letters.add(`${partition}/${at}`);
          fake.committed[partition] = at + 1;
        }
      }
    },
    append: (partition: number) => ((logEnd[partition] as number) += 3),
    logEnd,
    async look() {
      try {
        await advance(saved, {
          generation,
          save: (state) => {
            mayDie();
            saved = structuredClone(state);
            mayDie();
          },
        });
      } catch (error) {
        if (!(error instanceof Death)) throw error;
      }
    },
  };
}

const move = fc.oneof(
  fc.record({
    kind: fc.constant('read' as const),
    partition: fc.nat({ max: PARTITIONS - 1 }),
    events: fc.nat({ max: 15 }),
  }),
  fc.record({ kind: fc.constant('append' as const), partition: fc.nat({ max: PARTITIONS - 1 }) }),
  fc.record({ kind: fc.constant('look' as const) }),
);

describe('a replay', () => {
  test('takes over once, and loses nothing, whoever dies between any two steps', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          from: fc.nat({ max: 45 }),
          deaths: fc.array(fc.nat({ max: 3 }), { maxLength: 30 }),
          lettersEvery: fc.integer({ min: 2, max: 9 }),
        }),
        fc.array(move, { maxLength: 60 }),
        async (plan, moves) => {
          const it = world(plan);
          const serves = () => {
            const { active, replay } = it.saved;
            const serving = it.of(active.generation);
            expect(serving.deleted).toBe(false);
            // Stopped only while the other one is about to take over.
            if (serving.stopped) expect(replay?.phase.kind).toMatch(/stopping|chasing/);
          };
          for (const one of moves) {
            if (one.kind === 'read') it.read(one.partition, one.events);
            else if (one.kind === 'append') it.append(one.partition);
            else await it.look();
            serves();
          }
          it.rest();
          for (let i = 0; i < 40; i++) {
            for (let partition = 0; partition < PARTITIONS; partition++) it.read(partition, 10);
            await it.look();
            serves();
          }
          expect(it.saved).toEqual({
            active: { generation: 2, version: 2 },
            replay: null,
            retired: [],
          });
          const [old, fresh] = [it.of(1), it.of(2)];
          expect(old).toMatchObject({ stopped: true, deleted: true });
          expect(fresh.stopped).toBe(false);
          // Between what the old one did and what the new one did nothing is left out.
          old.committed.forEach((end, partition) => {
            const done = Math.max(fresh.start, fresh.committed[partition] as number);
            expect(done).toBeGreaterThanOrEqual(end);
          });
          // The old one's from before `from`, the new one's from there on.
          const expected = old.committed.flatMap((end, partition) =>
            Array.from({ length: fresh.committed[partition] as number }, (_, at) => at)
              .filter((at) => at % plan.lettersEvery === 0 && (at >= fresh.start || at < end))
              .map((at) => `${partition}/${at}`),
          );
          expect([...fresh.letters].sort()).toEqual(expected.sort());
        },
      ),
      { numRuns: 300 },
    );
  });

  test('is not near while one partition is far behind, or was never heard of', () => {
    const end = (partition: number, committed: number) => ({
      streamUid: STREAM,
      partition,
      committed,
    });
    const old = [end(0, 100), end(1, 100)];
    expect(covers([end(0, 100), end(1, 94)], old, 5)).toBe(false);
    expect(covers([end(0, 100), end(1, 95)], old, 5)).toBe(true);
    expect(covers([end(0, 100)], old, 5)).toBe(false);
    expect(covers([end(1, 100), end(0, 100)], old, 0)).toBe(true);
  });
});

// A replay is a blue/green deployment: another generation of a processor rebuilds beside the one that serves, and
// takes its place. Each step is stored before the next one begins and can be done twice, so a crash loses nothing.
//
// What readers of the output see: both generations' outputs, told apart by `source.version`. The old one's end
// where it was stopped, the new one's begin at `from` and go on for good; from the old one's end on there is only
// the new one's.

export interface GenerationRef {
  generation: number;
  version: number;
}

/** How far one partition is. */
export interface End {
  streamUid: string;
  partition: number;
  committed: number;
}

export type Phase =
  /** The new one reads; the old one serves. */
  | { kind: 'building' }
  /** The new one is near: the old one is being stopped. */
  | { kind: 'stopping' }
  /** The old one has stopped, at `ends`: the new one reads up to there. */
  | { kind: 'chasing'; ends: End[] };

export interface Cutover {
  active: GenerationRef;
  replay: (GenerationRef & { startedAtMs: number; phase: Phase }) | null;
  /** Generations that are over: their dead letters go to the active one, and then they are deleted. */
  retired: number[];
}

/** The objects of one generation, as far as a cutover asks them. Everything here may be asked twice. */
export interface CutoverGeneration {
  /** The one before it is stopped when this one has at most so many events to go in each partition. */
  nearEvents: number;
  ends(): Promise<End[]>;
  /** For good; answers where each partition has come to. */
  stop(): Promise<End[]>;
  /** Gives that generation the dead letters of events that it does not read itself. */
  transferDeadLetters(to: number): Promise<void>;
  delete(): Promise<void>;
}

export interface CutoverPorts {
  generation(generation: number): CutoverGeneration;
  save(state: Cutover): void;
}

/** Goes as far as it can be gone now. Answers the state it stopped at, which was saved. */
export async function advance(begun: Cutover, ports: CutoverPorts): Promise<Cutover> {
  let state = begun;
  for (;;) {
    const next = await step(state, ports);
    if (next === null) return state;
    ports.save(next);
    state = next;
  }
}

/** Null: nothing to do, or nothing yet. */
async function step(state: Cutover, ports: CutoverPorts): Promise<Cutover | null> {
  const { active, replay, retired } = state;
  if (!replay) {
    const gone = retired[0];
    if (gone === undefined) return null;
    await ports.generation(gone).transferDeadLetters(active.generation);
    await ports.generation(gone).delete();
    return { ...state, retired: retired.slice(1) };
  }
  const fresh = ports.generation(replay.generation);
  const old = ports.generation(active.generation);
  const into = (phase: Phase): Cutover => ({ ...state, replay: { ...replay, phase } });
  switch (replay.phase.kind) {
    case 'building': {
      // The new one first: what the old one does meanwhile must not look as if the new one had done it.
      const reached = await fresh.ends();
      const serving = await old.ends();
      return covers(reached, serving, fresh.nearEvents) ? into({ kind: 'stopping' }) : null;
    }
    case 'stopping':
      return into({ kind: 'chasing', ends: await old.stop() });
    case 'chasing': {
      if (!covers(await fresh.ends(), replay.phase.ends, 0)) return null;
      const { generation, version } = replay;
      return {
        active: { generation, version },
        replay: null,
        retired: [...retired, active.generation],
      };
    }
  }
}

/** In each partition `reached` is at most `near` events behind `ends`. */
export function covers(reached: End[], ends: End[], near: number): boolean {
  const places = new Map(reached.map((end) => [placeOf(end), end.committed]));
  return ends.every((end) => (places.get(placeOf(end)) ?? -1) + near >= end.committed);
}

const placeOf = ({ streamUid, partition }: End) => `${streamUid}/${partition}`;

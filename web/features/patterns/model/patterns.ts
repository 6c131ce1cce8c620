// The patterns that there are here, in the order in which one learns them: a name, and one sentence what it is for.
export const PATTERN_IDS = [
  'stateless',
  'stateful',
  'event-buffering',
  'claim-check',
  'batching',
  'join',
  'windows',
  'kappa',
  'mapreduce',
  'dag',
] as const;
export type PatternId = (typeof PATTERN_IDS)[number];

export interface Pattern {
  id: PatternId;
  title: string;
  /** One sentence: what it is for. */
  purpose: string;
  /** What one can do to it here. */
  poke: string;
}

export const PATTERNS: readonly Pattern[] = [
  {
    id: 'stateless',
    title: 'Stateless worker',
    purpose:
      'Turns each event into another, keeps nothing in between, and so runs anywhere, many at once, and again.',
    poke: 'Take its service away, and see that nothing is lost.',
  },
  {
    id: 'stateful',
    title: 'Stateful worker',
    purpose:
      'Remembers, key by key, what events told it, and answers from its own store: quick, whatever happens to others, and some moments behind.',
    poke: 'Change an address and send at once: which mailbox will it be?',
  },
  {
    id: 'event-buffering',
    title: 'Event buffering',
    purpose:
      'Lets a fast producer and a slow consumer live together: the log holds what waits, a queue only rings the bell.',
    poke: 'Publish faster than it works; slip in a poisoned event.',
  },
  {
    id: 'claim-check',
    title: 'Claim-check',
    purpose:
      'Keeps large payloads out of the stream: the event carries a ticket, the bytes wait on a shelf until they are asked for.',
    poke: 'Send 200 kB, or a file; fetch it back and check its hash.',
  },
  {
    id: 'batching',
    title: 'Batching',
    purpose:
      'Takes events together until there are enough of them, enough bytes, or enough time has passed, and does the work once.',
    poke: 'Fill a window by number, by bytes, or by waiting.',
  },
  {
    id: 'join',
    title: 'Join',
    purpose:
      'Waits for several events that belong together, in whatever order they come, and acts once: when all are there, or their time is over.',
    poke: 'Upload a picture; hold its encoders back; let it time out.',
  },
  {
    id: 'windows',
    title: 'Windows',
    purpose:
      'Puts events into boxes by when they happened, not by when they came, and closes a box when no more is to be expected.',
    poke: 'Mix up the order; send one too late, one from the future.',
  },
  {
    id: 'kappa',
    title: 'Kappa',
    purpose:
      'Reads one stream both ways: processors as it comes, schedules the whole day again; better code is rebuilt from the log.',
    poke: 'Replay the day; change the code and watch it take over.',
  },
  {
    id: 'mapreduce',
    title: 'MapReduce',
    purpose:
      'Cuts a large input into splits, maps them in every browser that lends a core, and merges what comes back.',
    poke: 'Start from a template, lend this tab, watch each split.',
  },
  {
    id: 'dag',
    title: 'DAG job',
    purpose:
      'Runs steps as soon as what they need is done, side by side where it can, and takes a run up again where it failed.',
    poke: 'Upload a picture, lend this tab, and see it encoded.',
  },
];

export function patternOf(id: string): Pattern | null {
  return PATTERNS.find((pattern) => pattern.id === id) ?? null;
}

// The house in one table: which room stands on which floor, what a file's name says of it, and the few exceptions. Lint
// and the tests beside this file read it. A new room is entered here on the day it is made; until then both fail.

/** From the ground up. A file imports its own room and lower floors; rooms that share a floor do not know each other. */
const SHARED = [
  ['shared/*'],
  ['shared/schemas/'],
  ['shared/sandbox/'],
  ['shared/mapreduce/', 'shared/streaming/'],
  ['shared/dag/', 'shared/protocol.ts'],
  ['shared/runtimes/', 'shared/api/'],
  ['shared/client/'],
  ['shared/client.ts'],
];
const WORKER = [
  ['worker/contracts/'],
  ['worker/platform/'],
  ['worker/stubs.ts'],
  ['worker/catalog/'],
  ['worker/claim-check/', 'worker/datasets/'],
  ['worker/log/partition/'],
  ['worker/log/'],
  ['worker/demo-services/'],
  ['worker/isolates/', 'worker/outputs/'],
  ['worker/processors/definition/'],
  ['worker/jobs/mapreduce/', 'worker/processors/keyed/'],
  [
    'worker/processors/batch/',
    'worker/processors/consumer/',
    'worker/processors/join/',
    'worker/processors/state/',
    'worker/processors/window/',
    'worker/volunteers/',
  ],
  ['worker/schedules/'],
  ['worker/jobs/dag/'],
  ['worker/api/'],
  ['worker/queue.ts'],
  ['worker/app.ts'],
  ['worker/index.ts'],
];
const WEB = [
  ['web/lib/*', 'web/volunteer/'],
  ['web/lib/theme/'],
  ['web/lib/ui/'],
  ['web/lib/jobs/', 'web/lib/processors/', 'web/lib/schedules/', 'web/lib/streams/'],
  ['web/lib/dag/'],
  ['web/lib/claims/'],
  [
    'web/features/home/',
    'web/features/jobs/',
    'web/features/patterns/',
    'web/features/processors/',
    'web/features/schedules/',
    'web/features/streams/',
    'web/features/volunteer/',
  ],
  ['web/routes.ts'],
  ['web/features/shell/'],
  ['web/App.svelte'],
  ['web/main.ts'],
];

/** `folder/`: with all below it. `folder/*`: the files that lie directly in it. Else one file. */
export type Room = string;

export interface Table {
  /** By the first folder of a path. A tower stands on `shared`; no tower sees another one. */
  towers: Record<string, readonly (readonly Room[])[]>;
  /** Programs of their own, which run in Node: they may import everything, and nothing imports them. */
  programs: readonly Room[];
  /** Files without a suffix that are not pure, by their place. */
  shells: readonly Room[];
  /** Files that break a rule of purity for good, and why. */
  exceptions: Record<string, string>;
}

export const HOUSE: Table = {
  towers: { shared: SHARED, worker: WORKER, web: WEB },
  programs: ['worker/local/', 'web/vite.config.ts'],
  shells: [
    // Every route takes the request's bindings; so do the entries of the worker and the stubs of objects.
    'worker/api/',
    'worker/*',
    // The program that lends a browser's cores measures time wherever it works; a recorder records in real time.
    'web/volunteer/',
    'web/features/patterns/encoders/',
  ],
  exceptions: {
    'shared/sandbox/intrinsics.ts':
      "keeps the realm's own clock from user code, which is given another one",
    'shared/client/calls.ts': 'spreads the reconnections of its users over time: it is their shell',
    'worker/platform/env.ts': 'only says what the bindings are',
  },
};

export type FileClass =
  'pure' | 'edge' | 'store' | 'object' | 'entrypoint' | 'rpc' | 'shell' | 'page' | 'program';

const SUFFIX = /\.(edge|store|object|entrypoint|rpc)\.ts$/;

const isIn = (path: string, room: Room): boolean =>
  room.endsWith('/')
    ? path.startsWith(room)
    : room.endsWith('*')
      ? path.slice(0, path.lastIndexOf('/') + 1) === room.slice(0, -1)
      : path === room;

/** What a file's name and place promise. Pure: the same answer for the same arguments, whatever the time and place. */
export function classOf(path: string, { programs, shells }: Table = HOUSE): FileClass {
  if (programs.some((room) => isIn(path, room))) return 'program';
  if (path.endsWith('.svelte') || path.endsWith('.svelte.ts')) return 'page';
  const suffix = SUFFIX.exec(path)?.[1];
  if (suffix) return suffix as FileClass;
  return shells.some((room) => isIn(path, room)) ? 'shell' : 'pure';
}

const towerOf = (path: string) => path.slice(0, path.indexOf('/'));

/** The narrowest room that a file lies in, and its floor; null when the table has none. */
export function roomOf(path: string, table: Table = HOUSE): { room: Room; floor: number } | null {
  let found: { room: Room; floor: number } | null = null;
  for (const [floor, rooms] of (table.towers[towerOf(path)] ?? []).entries()) {
    for (const room of rooms) {
      if (isIn(path, room) && (!found || room.length > found.room.length)) found = { room, floor };
    }
  }
  return found;
}

/** A file of this name stands in no room: what to do about it. Null: it has one. */
export function unknownRoom(path: string, table: Table = HOUSE): string | null {
  if (classOf(path, table) === 'program' || roomOf(path, table)) return null;
  return `${path} stands in no room: enter its folder on a floor of test/structure/floors.ts, above all that it imports`;
}

/** Why `from` may not import `to`, another of our files; null: it may. */
export function importProblem(
  from: string,
  to: string,
  typeOnly: boolean,
  table: Table = HOUSE,
): string | null {
  const fromClass = classOf(from, table);
  const toClass = classOf(to, table);
  if (fromClass === 'program') return null;
  if (toClass === 'program') return `${to} is a program of its own: nothing imports it`;
  if (towerOf(to) !== 'shared' && towerOf(to) !== towerOf(from)) {
    return `${towerOf(from)}/ imports only itself and shared/`;
  }
  const here = roomOf(from, table);
  const there = roomOf(to, table);
  if (!here) return unknownRoom(from, table);
  if (!there) return unknownRoom(to, table);
  if (towerOf(to) === towerOf(from) && here.room !== there.room && here.floor <= there.floor) {
    return `${there.room} is not on a lower floor than ${here.room} (test/structure/floors.ts)`;
  }
  if (
    fromClass === 'rpc' &&
    towerOf(to) !== 'shared' &&
    there.room !== table.towers['worker']?.[0]?.[0]
  ) {
    return 'a contract imports only shared/ and other contracts';
  }
  const isObject = toClass === 'object' || toClass === 'entrypoint';
  if (isObject && !typeOnly && fromClass !== 'object' && from !== 'worker/index.ts') {
    return 'objects are called by RPC: import their types only';
  }
  const impure = towerOf(to) === 'worker' && !['pure', 'rpc'].includes(toClass);
  if ((fromClass === 'pure' || fromClass === 'rpc') && impure && !table.exceptions[from]) {
    if (!typeOnly) return `${from} is pure by its name, and imports ${to}, which is not`;
    if (here.room !== there.room) return `${from} is pure by its name, and takes what ${to} makes`;
  }
  return null;
}

/** Modules that a pure file does not import. */
export const IMPURE_PACKAGES = ['cloudflare:*', 'hono', 'hono/*', 'node:*'];

/** Types by which code takes the platform: bindings, storage, the runtime's context. A pattern over the whole name. */
export const PLATFORM_TYPES =
  'Env|AppEnv|R2\\w+|Sql\\w+|DurableObject\\w*|WorkerEntrypoint|ExecutionContext|Fetcher|Queue|KVNamespace|D1\\w+';

/** What of these globals a pure file may use; all the rest of them is the clock or chance. */
export const PURE_MEMBERS = {
  Date: ['UTC', 'parse', 'prototype'],
  Math: /^(?!random$)/,
  crypto: ['subtle'],
  performance: [],
  Temporal: /^(?!Now$)/,
} as const;

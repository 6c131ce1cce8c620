// That the walls of the house can fall: each rule is broken in a small tree, and the functions say so.
import { expect, test } from 'vitest';
import type { Table } from './floors.ts';
import {
  circlesOfFiles,
  circlesOfFolders,
  type Graph,
  impurePureFiles,
  readGraph,
  unknownRooms,
  wrongContracts,
  wrongImports,
} from './graph.ts';

const TABLE: Table = {
  towers: {
    shared: [['shared/*']],
    worker: [
      ['worker/contracts/'],
      ['worker/low/', 'worker/beside/'],
      ['worker/low/upper/'],
      ['worker/high/'],
      ['worker/index.ts'],
    ],
    web: [['web/lib/']],
  },
  programs: ['worker/local/'],
  shells: ['worker/*'],
  exceptions: { 'worker/low/clock.ts': 'it is the clock' },
};

const graphOf = (texts: Record<string, string>): Graph => readGraph(new Map(Object.entries(texts)));

/** What is wrong with one file, the others being there and empty. */
const wrongWith = (path: string, text: string, others: readonly string[] = []) =>
  wrongImports(
    graphOf({ ...Object.fromEntries(others.map((one) => [one, ''])), [path]: text }),
    TABLE,
  );

const impuritiesOf = (text: string, path = 'worker/low/a.ts') =>
  impurePureFiles(graphOf({ [path]: text }), TABLE).map((line) => line.replace(/^.*takes /, ''));

test('the table of rooms: the narrowest holds, and a folder that it does not have is told', () => {
  const graph = graphOf({
    'shared/a.ts': '',
    'shared/new/a.ts': '',
    'worker/low/a.ts': '',
    'worker/low/upper/a.ts': '',
    'worker/loft/a.ts': '',
    'worker/local/start.ts': '',
    'web/lib/a.svelte': '',
  });
  const told = unknownRooms(graph, TABLE);
  expect(told.map((line) => line.split(' ')[0])).toEqual(['shared/new/a.ts', 'worker/loft/a.ts']);
  expect(told[0]).toContain('enter its folder on a floor of test/structure/floors.ts');
  expect(wrongWith('worker/loft/a.ts', "import '../low/a.ts';", ['worker/low/a.ts'])[0]).toContain(
    'worker/loft/a.ts stands in no room',
  );
});

test('a climb is found, by types too; going down and staying in the room is free', () => {
  const others = ['worker/high/b.ts', 'worker/beside/b.ts', 'worker/low/b.ts', 'shared/b.ts'];
  const climbs = (path: string, text: string) => wrongWith(path, text, others).length;
  expect(climbs('worker/low/a.ts', "import { b } from '../high/b.ts';")).toBe(1);
  expect(climbs('worker/low/a.ts', "import type { B } from '../high/b.ts';")).toBe(1);
  expect(climbs('worker/low/a.ts', "export type B = import('../high/b.ts').B;")).toBe(1);
  expect(climbs('worker/low/a.ts', "export const b = () => import('../high/b.ts');")).toBe(1);
  expect(climbs('worker/low/a.ts', "new Worker(new URL('../high/b.ts', import.meta.url));")).toBe(
    1,
  );
  expect(climbs('worker/low/a.ts', "export * from '../beside/b.ts';")).toBe(1);
  expect(climbs('worker/high/a.ts', "export * from '../low/b.ts';")).toBe(0);
  expect(climbs('worker/high/a.ts', "import './b.ts'; import '../../shared/b.ts';")).toBe(0);
  expect(
    climbs('worker/low/a.ts', "// import '../high/b.ts'\nconst a = `import '../high/b.ts'`;"),
  ).toBe(0);
});

test('towers do not see each other, and nothing imports a program or a test', () => {
  const others = ['worker/low/b.ts', 'web/lib/b.ts', 'worker/local/b.ts'];
  const wrong = (path: string, text: string) => wrongWith(path, text, others).length;
  expect(wrong('shared/a.ts', "import '../worker/low/b.ts';")).toBe(1);
  expect(wrong('web/lib/a.ts', "import type {} from '../../worker/low/b.ts';")).toBe(1);
  expect(wrong('worker/low/a.ts', "import '../../web/lib/b.ts';")).toBe(1);
  expect(wrong('worker/low/a.ts', "import '../local/b.ts';")).toBe(1);
  expect(wrong('worker/low/a.ts', "import '../../test/support/port.ts';")).toBe(1);
  expect(wrong('worker/local/a.ts', "import '../low/b.ts'; import '../../web/lib/b.ts';")).toBe(0);
});

test('a circle of files by value is found; one of which a part is types is none', () => {
  const circle = (back: string) =>
    circlesOfFiles(
      graphOf({
        'worker/low/a.ts': "import { b } from './b.ts';",
        'worker/low/b.ts': "export { c } from './c.ts';",
        'worker/low/c.ts': back,
      }),
    );
  const all = ['worker/low/a.ts', 'worker/low/b.ts', 'worker/low/c.ts'];
  expect(circle("import { type A, a } from './a.ts';")).toEqual([all]);
  expect(circle("import './a.ts';")).toEqual([all]);
  expect(circle("await import('./a.ts');")).toEqual([all]);
  expect(circle("import type { A } from './a.ts';")).toEqual([]);
  expect(circle("import { type A } from './a.ts';")).toEqual([]);
  expect(circle("export type { A } from './a.ts';")).toEqual([]);
  expect(circle('')).toEqual([]);
});

test('a circle of folders is found, by types too and through components', () => {
  const circle = (script: string) =>
    circlesOfFolders(
      graphOf({
        'web/lib/ui/A.svelte': script,
        'web/lib/jobs/b.ts': "export * from './c.ts';",
        'web/lib/jobs/c.ts': "import A from '../ui/A.svelte';",
      }),
    );
  const both = [['web/lib/jobs', 'web/lib/ui']];
  const script = '<script lang="ts">import type { B } from \'../jobs/b.ts\';</script>';
  expect(circle(script)).toEqual(both);
  expect(circle(script.replace('<script', '<script module'))).toEqual(both);
  expect(circle("{#await import('../jobs/b.ts') then b}{b}{/await}")).toEqual(both);
  expect(circle("<p>import type B from '../jobs/b.ts';</p>")).toEqual([]);
});

test('a pure file that takes bindings or storage is found', () => {
  expect(impuritiesOf('export const f = (env: Env) => env;')).toEqual(['Env']);
  expect(impuritiesOf('let a: Pick<R2Bucket, "get">; let b: R2ObjectBody[];')).toHaveLength(2);
  expect(
    impuritiesOf('let a: { sql: SqlStorage; own: Record<string, SqlStorageValue> };'),
  ).toHaveLength(2);
  expect(
    impuritiesOf('class A extends DurableObject {} ; let b: DurableObjectState;'),
  ).toHaveLength(2);
  expect(
    impuritiesOf("import { Hono } from 'hono'; import { env } from 'cloudflare:workers';"),
  ).toHaveLength(2);
  expect(impuritiesOf('export interface Environment { Env: string; queue: string }')).toEqual([]);
});

test('a pure file that takes the clock or chance is found, however it is written', () => {
  const taken = [
    'Date.now()',
    'new Date()',
    'new Date',
    'Date()',
    'ports(Date.now)',
    'const { now } = Date',
    'const f = (now = Date.now) => now()',
    'const Clock = { Date }',
    'Math.random()',
    'const { random } = Math',
    'performance.now()',
    'crypto.randomUUID()',
    'globalThis.crypto.getRandomValues(bytes)',
    'Temporal.Now.instant()',
  ];
  for (const text of taken) expect(impuritiesOf(text), text).toHaveLength(1);
  const given = [
    'new Date(nowMs).toISOString()',
    'Date.parse(text) + Date.UTC(2020, 1)',
    'let at: Date = thing instanceof Date ? thing : new Date(0)',
    'Math.max(0, Math.floor(a))',
    "crypto.subtle.digest('SHA-256', bytes)",
    'ports.random() + ports.now() + realm.Math.random()',
    'const sizes = { performance: 1 }; sizes.performance',
    '// Date.now()',
  ];
  for (const text of given) expect(impuritiesOf(text), text).toEqual([]);
});

test('what is pure is said by the suffix, the place, and few exceptions', () => {
  const now = 'Date.now();';
  for (const suffix of ['edge', 'store', 'object', 'entrypoint']) {
    expect(impuritiesOf(now, `worker/low/a.${suffix}.ts`)).toEqual([]);
  }
  expect(impuritiesOf(now, 'worker/index.ts')).toEqual([]);
  expect(impuritiesOf(now, 'worker/low/clock.ts')).toEqual([]);
  expect(impuritiesOf(now, 'web/lib/now.svelte.ts')).toEqual([]);
  expect(impuritiesOf(now, 'web/lib/now.ts')).toHaveLength(1);
  expect(impuritiesOf(now, 'worker/contracts/a.rpc.ts')).toHaveLength(1);
  expect(impuritiesOf(now, 'worker/low/a.stored.ts')).toHaveLength(1);
});

test('a pure file takes an impure one as a type only, and only of its own room', () => {
  const others = ['worker/low/b.store.ts', 'worker/low/upper/b.edge.ts'];
  const wrong = (path: string, text: string) => wrongWith(path, text, others).length;
  expect(wrong('worker/low/a.ts', "import { B } from './b.store.ts';")).toBe(1);
  expect(wrong('worker/low/a.ts', "import type { B } from './b.store.ts';")).toBe(0);
  expect(wrong('worker/high/a.ts', "import type { B } from '../low/b.store.ts';")).toBe(1);
  expect(wrong('worker/high/a.edge.ts', "import { B } from '../low/b.store.ts';")).toBe(0);
});

test('objects are imported by their types, but for the abstract one that others extend', () => {
  const wrong = (path: string, text: string, base = 'export abstract class B {}') =>
    wrongImports(graphOf({ 'worker/low/b.object.ts': base, [path]: text }), TABLE).length;
  const value = "import { B } from '../low/b.object.ts';";
  expect(wrong('worker/high/a.edge.ts', value)).toBe(1);
  expect(wrong('worker/high/a.edge.ts', "import type { B } from '../low/b.object.ts';")).toBe(0);
  expect(wrong('worker/high/a.object.ts', value)).toBe(0);
  expect(wrong('worker/high/a.object.ts', value, 'export class B {}')).toBe(1);
  expect(wrong('worker/index.ts', value.replace('..', '.'), 'export class B {}')).toBe(0);
});

test('a contract imports shared/ and contracts, and no package', () => {
  const others = ['shared/b.ts', 'worker/contracts/b.rpc.ts', 'worker/low/b.ts'];
  const path = 'worker/low/a.rpc.ts';
  const wrong = (text: string) => wrongWith(path, text, others).length;
  expect(wrong("import type { B } from '../low/b.ts';")).toBe(1);
  expect(wrong("import '../contracts/b.rpc.ts'; import '../../shared/b.ts';")).toBe(0);
  expect(wrongContracts(graphOf({ [path]: "import type { z } from 'zod';" }), TABLE)).toHaveLength(
    1,
  );
  expect(wrongContracts(graphOf({ [path]: "import type { B } from './b.ts';" }), TABLE)).toEqual(
    [],
  );
});

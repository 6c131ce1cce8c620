// The house stands as ARCHITECTURE.md says: the product's import graph against the table of floors.
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from 'vitest';
import { HOUSE, roomOf } from './floors.ts';
import {
  circlesOfFiles,
  circlesOfFolders,
  type Graph,
  impurePureFiles,
  readGraph,
  readTexts,
  unknownRooms,
  wrongContracts,
  wrongImports,
} from './graph.ts';

let graph: Graph;

beforeAll(async () => {
  graph = readGraph(await readTexts(fileURLToPath(new URL('../..', import.meta.url))));
}, 60_000);

test('the graph is read: each tower has files, and they import each other', () => {
  for (const tower of Object.keys(HOUSE.towers)) {
    const files = [...graph.keys()].filter((path) => path.startsWith(`${tower}/`));
    expect(files.length, tower).toBeGreaterThan(50);
  }
  const imports = [...graph.values()].flatMap((file) => [...file.imports.keys()]);
  const missing = imports.filter((to) => /\.(ts|svelte)$/.test(to) && !graph.has(to));
  expect(missing.filter((to) => !to.endsWith('.generated.ts'))).toEqual([]);
});

test('every file stands in a room of the table, and every entry of the table exists', () => {
  expect(unknownRooms(graph)).toEqual([]);
  const rooms = new Set([...graph.keys()].map((path) => roomOf(path)?.room));
  const entered = Object.values(HOUSE.towers).flat(2);
  expect(entered.filter((room) => !rooms.has(room))).toEqual([]);
});

test('no circle of folders, by types too', () => {
  expect(circlesOfFolders(graph)).toEqual([]);
});

test('no circle of files by value', () => {
  expect(circlesOfFiles(graph)).toEqual([]);
});

test('no file climbs, and each imports only what its class may', () => {
  expect(wrongImports(graph)).toEqual([]);
});

test('a file without a suffix takes neither bindings nor storage, and neither clock nor chance', () => {
  expect(impurePureFiles(graph)).toEqual([]);
});

test('contracts import shared/ and contracts', () => {
  expect(wrongContracts(graph)).toEqual([]);
});

test('every exception is needed', () => {
  const strict = { ...HOUSE, exceptions: {} };
  const wrong = [...impurePureFiles(graph, strict), ...wrongImports(graph, strict)];
  const unneeded = Object.keys(HOUSE.exceptions).filter(
    (path) => !wrong.some((line) => line.startsWith(path)),
  );
  expect(unneeded).toEqual([]);
});

// Turns the bundle's positions in a stack ("worker.js:812:14") back into the source's own, so that an
// error in the terminal names the file and line that somebody can open.
import { SourceMap } from 'node:module';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ROOT } from './build.ts';

const maps = new Map<string, SourceMap>();

/** `sourceMap` is the map's JSON; lines and columns in a stack count from 1. */
export function mapStack(text: string, sourceMap: string): string {
  if (!text.includes('worker.js:')) return text;
  let map = maps.get(sourceMap);
  if (map === undefined) maps.set(sourceMap, (map = new SourceMap(JSON.parse(sourceMap))));
  const known = map;
  return text.replace(/[^\s()]*worker\.js:(\d+):(\d+)/g, (position, line, column) => {
    const origin = known.findOrigin(Number(line), Number(column));
    if (!('fileName' in origin)) return position;
    return `${nameOf(origin.fileName)}:${origin.lineNumber}:${origin.columnNumber}`;
  });
}

function nameOf(source: string): string {
  const path = source.startsWith('file:') ? fileURLToPath(source) : source;
  return path.startsWith('/') ? relative(ROOT, path) : path;
}

// What a keyed processor keeps for good, and what may change under it.
import { describe, expect, it } from 'vitest';
import { ProcessorSpec } from '../../../shared/schemas/processor.ts';
import { fixedField } from '../../../worker/processors/definition/fixed-fields.ts';

const code = 'export function process() {}';
const define = (spec: object, adds?: boolean) => ({
  spec: ProcessorSpec.parse({ stream: 's', code, ...spec }),
  program: { key: 'k', hash: 'h', ...(adds !== undefined && { adds, merges: false }) },
});
const pathOf = (before: object, after: object) =>
  fixedField(define(before), define(after))?.path ?? null;

const STATEFUL = { kind: 'stateful' };
const rules = { types: ['A', 'B'], timeoutMs: 1_000, onTimeout: 'drop' };
const JOIN = { kind: 'join', join: rules };
const TUMBLING = { kind: 'window', window: { type: 'tumbling', sizeMs: 1_000 } };
const SESSION = { kind: 'window', window: { type: 'session', gapMs: 1_000 } };

describe('fixed fields', () => {
  it('are the number of shards and the key, of every kind', () => {
    for (const spec of [STATEFUL, JOIN, TUMBLING, SESSION]) {
      expect(pathOf(spec, { ...spec, shards: 5 })).toBe('shards');
      expect(pathOf(spec, { ...spec, keyBy: 'payload.id' })).toBe('keyBy');
      expect(pathOf(spec, spec)).toBeNull();
      expect(
        pathOf(spec, { ...spec, code: `${code} // new`, params: { a: 1 }, output: 'o' }),
      ).toBeNull();
    }
  });

  it('leave the key as it is when it is only written by stream', () => {
    const two = { ...STATEFUL, stream: ['s', 't'] };
    const paths = { s: 'payload.id', t: 'payload.id' };
    expect(pathOf({ ...two, keyBy: 'payload.id' }, { ...two, keyBy: paths })).toBeNull();
    const swapped = { ...two, stream: ['t', 's'], keyBy: { t: 'payload.id', s: 'payload.id' } };
    expect(pathOf({ ...two, keyBy: paths }, swapped)).toBeNull();
    expect(pathOf({ ...two, keyBy: paths }, { ...two, keyBy: { ...paths, t: 'key' } })).toBe(
      'keyBy',
    );
  });

  it('are the types of a join; its time-out may change', () => {
    const of = (more: object) => ({ kind: 'join', join: { ...rules, ...more } });
    expect(pathOf(JOIN, of({ types: ['A', 'C'] }))).toBe('join.types');
    expect(pathOf(JOIN, of({ timeoutMs: 5, onTimeout: 'emit-partial', rememberMs: 0 }))).toBeNull();
  });

  it('are what makes a window; grace, idleness and skew may change', () => {
    const tumbling = (more: object) => ({ ...TUMBLING, window: { ...TUMBLING.window, ...more } });
    expect(pathOf(TUMBLING, SESSION)).toBe('window.type');
    expect(pathOf(TUMBLING, tumbling({ sizeMs: 2_000 }))).toBe('window.sizeMs');
    expect(pathOf(TUMBLING, tumbling({ slideMs: 500 }))).toBe('window.slideMs');
    expect(pathOf(TUMBLING, tumbling({ slideMs: 1_000 }))).toBeNull();
    expect(pathOf(TUMBLING, tumbling({ time: 'payload.at' }))).toBe('window.time');
    expect(pathOf(TUMBLING, tumbling({ graceMs: 5, idleMs: 5, skewMs: 5 }))).toBeNull();
    const gap = { ...SESSION, window: { ...SESSION.window, gapMs: 5 } };
    expect(pathOf(SESSION, gap)).toBe('window.gapMs');
  });

  it('are whether a program keeps what it added or events', () => {
    expect(fixedField(define(TUMBLING, true), define(TUMBLING, false))?.path).toBe('code');
    expect(fixedField(define(TUMBLING, true), define(TUMBLING, true))).toBeNull();
    expect(fixedField(define(TUMBLING), define(TUMBLING, false))).toBeNull();
  });
});

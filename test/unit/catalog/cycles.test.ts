// Cycles of processors and streams, through outputs and through late events.
import { describe, expect, it } from 'vitest';
import { cycleWith, type Flow } from '../../../worker/catalog/cycles.ts';

const flow = (processor: string, streams: string[], ...outputs: string[]): Flow => ({
  processor,
  streams,
  outputs,
});

describe('cycles', () => {
  it('are named by their streams and processors in turn, the shortest one', () => {
    const flows = [flow('p', ['a'], 'b'), flow('q', ['b'], 'c'), flow('long', ['b'], 'd')];
    expect(cycleWith(flows, flow('r', ['c'], 'a'))).toEqual(['c', 'r', 'a', 'p', 'b', 'q', 'c']);
    expect(cycleWith(flows, flow('r', ['c'], 'e'))).toBeNull();
    expect(cycleWith(flows, flow('r', ['c']))).toBeNull();
  });

  it('go through any output of a processor: late events, too', () => {
    const flows = [flow('join', ['a'], 'joined', 'late')];
    expect(cycleWith(flows, flow('again', ['late'], 'a'))).toEqual([
      'late',
      'again',
      'a',
      'join',
      'late',
    ]);
    expect(cycleWith([], flow('join', ['a'], 'joined', 'a'))).toEqual(['a', 'join', 'a']);
    expect(cycleWith(flows, flow('again', ['late'], 'joined'))).toBeNull();
  });

  it('do not count what a definition of the same name was', () => {
    const flows = [flow('p', ['a'], 'b'), flow('q', ['b'], 'a')];
    expect(cycleWith(flows, flow('q', ['b'], 'c'))).toBeNull();
  });
});

// How much one mapper may hold, and who counts as a mapper.
import { describe, expect, it } from 'vitest';
import { fairShare, RecentMappers } from '../../../worker/jobs/mapreduce/share.ts';

describe('a fair share', () => {
  it('is half of an equal share of what is open, and shrinks with it', () => {
    expect(fairShare(1_000, 1)).toBe(500);
    expect(fairShare(1_000, 10)).toBe(50);
    const shares = [1_000, 500, 100, 20, 0].map((open) => fairShare(open, 4));
    expect(shares).toEqual([...shares].sort((a, b) => b - a));
  });

  it('never falls below what one worker needs to be kept busy', () => {
    expect(fairShare(0, 1)).toBe(4);
    expect(fairShare(10, 1_000)).toBe(4);
    expect(fairShare(10, 0)).toBe(5);
  });
});

describe('recent mappers', () => {
  it('are those that asked within half a minute, each once', () => {
    const mappers = new RecentMappers();
    mappers.seen('a', 0);
    mappers.seen('b', 10_000);
    mappers.seen('a', 20_000);
    expect(mappers.count).toBe(2);
    mappers.seen('c', 41_000);
    expect(mappers.count).toBe(2); // b has not asked for 31 s.
    mappers.seen('c', 90_000);
    expect(mappers.count).toBe(1);
  });
});

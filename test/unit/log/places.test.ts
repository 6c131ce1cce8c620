// The ids of live events.
import { describe, expect, it } from 'vitest';
import { parsePlaces, placesText } from '../../../worker/log/places.ts';

describe('places', () => {
  it('are read back as they were written', () => {
    const places = new Map([
      [0, 12],
      [3, 0],
      [1, Number.MAX_SAFE_INTEGER],
    ]);
    expect(placesText(places)).toBe('0:12,3:0,1:9007199254740991');
    expect(parsePlaces(placesText(places), 4)).toEqual(places);
  });

  it.each([
    '',
    '0',
    '0:',
    ':1',
    '0:-1',
    '0:1,',
    '0:1,0:2',
    '4:1',
    '0:1.5',
    'x',
    '0:9007199254740993',
    '0:1 ',
  ])('are not %j', (text) => {
    expect(parsePlaces(text, 4)).toBeNull();
  });
});

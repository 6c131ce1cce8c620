// Every name of a step is found in the text as it was written, twice if it stands there twice, and nothing else is.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stepKeys } from '../../../shared/dag/step-keys.ts';

describe('the names of steps in a text', () => {
  it('are found as often as they stand there', () => {
    const text =
      '{"kind":"dag","steps":{"a":{"needs":["b"]}, "b" : {"a":1}\n,"a":{}},"input":{"steps":{"c":1},"d":2}}';
    expect(stepKeys(text)).toEqual(['a', 'b', 'a']);
    expect(stepKeys('{"steps":{"__proto__":1,"\\u0061":2}}')).toEqual(['__proto__', 'a']);
    expect(stepKeys('{"steps":{"a":1},"steps":{"a":2}}')).toEqual(['a', 'a']);
    expect(stepKeys('{"steps":["a","b",{"c":1}],"x":{"y":1}}')).toEqual([]);
    expect(stepKeys('{"a":"\\\\","steps":{"x\\"y":"{\\"z\\":1}"}}')).toEqual(['x"y']);
    for (const other of ['1', '"steps"', '[{"steps":{"a":1}}]', '{}'])
      expect(stepKeys(other)).toEqual([]);
  });

  it('are the keys of what JSON.parse gives, where no name stands twice', () => {
    const json = fc.json({ maxDepth: 3 }).map((text) => JSON.parse(text) as unknown);
    const steps = fc.dictionary(fc.string(), json, { noNullPrototype: true });
    fc.assert(
      fc.property(steps, json, fc.constantFrom(0, 2), (some, input, indent) => {
        const text = JSON.stringify({ input, steps: some, name: '"{' }, null, indent);
        expect(stepKeys(text)).toEqual(Object.keys(some));
      }),
    );
  });
});

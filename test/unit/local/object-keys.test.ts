import { describe, expect, it } from 'vitest';
import { type ClassMigration, objectKeys } from '../../../worker/local/object-keys.ts';

const keysOf = (...migrations: ClassMigration[]) => Object.fromEntries(objectKeys(migrations));

describe('objectKeys', () => {
  it('is what Miniflare would take, for a class that was never renamed', () => {
    expect(
      keysOf({ new_classes: ['Old'] }, { new_sqlite_classes: ['JobObject', 'LobbyObject'] }),
    ).toEqual({ Old: '-Old', JobObject: '-JobObject', LobbyObject: '-LobbyObject' });
  });

  it('stays with a class through all its names', () => {
    expect(
      keysOf(
        { new_sqlite_classes: ['First'] },
        { renamed_classes: [{ from: 'First', to: 'Second' }] },
        { renamed_classes: [{ from: 'Second', to: 'Third' }] },
      ),
    ).toEqual({ Third: '-First' });
  });

  it('follows a name that one class leaves and another takes', () => {
    const expected = { BatchObject: '-WindowObject', WindowObject: '-PaneObject' };
    const made = { new_sqlite_classes: ['WindowObject', 'PaneObject'] };
    const first = { from: 'WindowObject', to: 'BatchObject' };
    const then = { from: 'PaneObject', to: 'WindowObject' };
    expect(keysOf(made, { renamed_classes: [first] }, { renamed_classes: [then] })).toEqual(
      expected,
    );
    expect(keysOf(made, { renamed_classes: [first, then] })).toEqual(expected);
  });

  it('never gives a new class what another one stored under its name', () => {
    expect(
      keysOf(
        { new_sqlite_classes: ['A', 'B'] },
        { renamed_classes: [{ from: 'A', to: 'C' }], deleted_classes: ['B'] },
        { new_sqlite_classes: ['A', 'B'] },
      ),
    ).toEqual({ C: '-A', A: '-A-1', B: '-B-1' });
  });

  it('refuses a rename that Cloudflare would refuse', () => {
    expect(() => keysOf({ renamed_classes: [{ from: 'A', to: 'B' }] })).toThrow(/A, which is not/);
  });
});

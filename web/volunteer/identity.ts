// Who this tab is to the lobby. Two tabs are two volunteers: id and secret live as long as the tab and survive
// a reload; the name is the browser's. A duplicated tab copies its session storage, so a tab that finds
// its id in use by a living tab makes a new one.
import { NAME_MAX_CHARS } from '../../shared/limits.ts';
import { recall, remember } from './memory.ts';

export interface TabIdentity {
  id: string;
  secret: string;
}

const ID = 'manyhands.volunteer.id';
const SECRET = 'manyhands.volunteer.secret';

/** The id that the tab will most likely have: for showing before `claimIdentity` is asked. */
export function tabIdentity(): TabIdentity {
  const id = recall('tab', ID);
  const secret = recall('tab', SECRET);
  return id !== null && secret !== null ? { id, secret } : newIdentity();
}

function newIdentity(): TabIdentity {
  const identity = { id: `v-${randomHex(8)}`, secret: randomHex(24) };
  remember('tab', ID, identity.id);
  remember('tab', SECRET, identity.secret);
  return identity;
}

let claimed: Promise<TabIdentity> | null = null;

/** The tab's identity, held by a lock while the tab lives. */
export function claimIdentity(): Promise<TabIdentity> {
  return (claimed ??= claim());
}

async function claim(): Promise<TabIdentity> {
  const identity = tabIdentity();
  // Locks exist on https and localhost only; elsewhere the lobby tells duplicates apart.
  if (!('locks' in navigator)) return identity;
  if (await hold(identity.id)) return identity;
  const fresh = newIdentity();
  await hold(fresh.id);
  return fresh;
}

function hold(id: string): Promise<boolean> {
  return new Promise((resolve) => {
    navigator.locks
      .request(`manyhands.volunteer.${id}`, { ifAvailable: true }, (lock) => {
        resolve(lock !== null);
        // Held until the tab goes.
        return lock === null ? undefined : new Promise<void>(() => undefined);
      })
      .catch(() => resolve(true));
  });
}

/** A name that tells one's own devices apart; the person may change it. */
export function defaultName(userAgent: string): string {
  const find = (names: [RegExp, string][]) => names.find(([sign]) => sign.test(userAgent))?.[1];
  const browser =
    find([
      [/Edg\//, 'Edge'],
      [/Firefox\//, 'Firefox'],
      [/OPR\//, 'Opera'],
      [/HeadlessChrome\//, 'Headless Chromium'],
      [/Chrom(e|ium)\//, 'Chrome'],
      [/Safari\//, 'Safari'],
    ]) ?? 'Browser';
  const system = find([
    [/Android/, 'Android'],
    [/iPhone|iPad/, 'iOS'],
    [/Mac OS X/, 'macOS'],
    [/Windows/, 'Windows'],
    [/CrOS/, 'ChromeOS'],
    [/Linux/, 'Linux'],
  ]);
  return system ? `${browser} on ${system}` : browser;
}

/** What the lobby takes as a name, or null. */
export function cleanName(name: string): string | null {
  const clean = name.trim().slice(0, NAME_MAX_CHARS).trim();
  return clean === '' ? null : clean;
}

function randomHex(bytes: number): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) =>
    byte.toString(16).padStart(2, '0'),
  ).join('');
}

// Battery and metered data, where the browser tells: lending stops by itself while it would cost the person
// something. Browsers that do not tell are taken to be on mains and unmetered.

export interface Conditions {
  onBattery: boolean;
  metered: boolean;
}

interface BatteryManager extends EventTarget {
  charging: boolean;
}
interface NetworkInformation extends EventTarget {
  saveData?: boolean;
  type?: string;
}
interface TellingNavigator {
  getBattery?: () => Promise<BatteryManager>;
  connection?: NetworkInformation;
}

/** Calls back at once and whenever something changes. */
export function watchConditions(onChange: (conditions: Conditions) => void): void {
  const { connection } = navigator as TellingNavigator;
  let battery: BatteryManager | null = null;
  const tell = () => {
    const metered = connection?.saveData === true || connection?.type === 'cellular';
    onChange({ onBattery: battery !== null && !battery.charging, metered });
  };
  connection?.addEventListener('change', tell);
  // Refused by policy in some embeddings: then nothing is known.
  void (navigator as TellingNavigator)
    .getBattery?.()
    .then((found) => {
      battery = found;
      found.addEventListener('chargingchange', tell);
      tell();
    })
    .catch(() => undefined);
  tell();
}

/** Why lending pauses by the person's own rules; '' when it need not. */
export function pauseReason(
  { onBattery, metered }: Conditions,
  rules: { pauseOnBattery: boolean; pauseOnMetered: boolean },
): string {
  if (onBattery && rules.pauseOnBattery) return 'on battery';
  if (metered && rules.pauseOnMetered) return 'metered connection';
  return '';
}

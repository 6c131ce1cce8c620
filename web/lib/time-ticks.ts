// Where an axis of time has its marks. Pure.
/** Steps of a time axis in ms, so that about `ticks` of them fit. */
export function timeTicks(spanMs: number, ticks: number): number[] {
  const steps = [
    10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000,
    300_000, 600_000, 1_800_000, 3_600_000, 7_200_000, 21_600_000, 86_400_000,
  ];
  const step =
    steps.find((ms) => spanMs / ms <= ticks) ?? 86_400_000 * Math.ceil(spanMs / 86_400_000 / ticks);
  const at: number[] = [];
  for (let ms = 0; ms <= spanMs; ms += step) at.push(ms);
  return at;
}

// The lag over time as a line: newest at the right, the width always the same span. Pure.
export const LAG_SAMPLES_MAX = 120;

export interface LagLine {
  path: string;
  area: string;
  most: number;
}

export function lagLine(samples: readonly number[], width: number, height: number): LagLine {
  const most = Math.max(0, ...samples);
  const step = width / (LAG_SAMPLES_MAX - 1);
  const left = width - (samples.length - 1) * step;
  const points = samples.map((lag, i) => {
    const x = left + i * step;
    const y = height - 1 - (most === 0 ? 0 : (lag / most) * (height - 6));
    return `${round(x)} ${round(y)}`;
  });
  if (points.length === 0) return { path: '', area: '', most };
  const path = `M${points.join('L')}`;
  return { path, area: `${path}L${width} ${height}L${round(left)} ${height}Z`, most };
}

const round = (value: number) => Math.round(value * 10) / 10;

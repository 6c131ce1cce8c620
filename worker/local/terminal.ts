// How the local commands show progress and tables: a bar that redraws itself on a terminal, a line for
// every tenth elsewhere (a pipe, CI).

const BAR_CHARS = 30;

export interface ProgressBar {
  /** `fraction` 0…1; going back is shown as standing still. */
  show(fraction: number, note: string): void;
  end(note: string): void;
}

export function progressBar(label: string, out: NodeJS.WriteStream = process.stdout): ProgressBar {
  let reached = 0;
  let tenths = -1;
  let ended = false;
  const draw = (note: string) => {
    const percent = `${Math.floor(reached * 100)}`.padStart(3);
    if (out.isTTY) {
      const filled = Math.round(reached * BAR_CHARS);
      const bar = '█'.repeat(filled) + '░'.repeat(BAR_CHARS - filled);
      out.write(`\r\x1b[2K${label} ${bar} ${percent} %  ${note}`);
    } else if (Math.floor(reached * 10) > tenths && (reached < 1 || ended)) {
      tenths = Math.floor(reached * 10);
      out.write(`${label} ${percent} %  ${note}\n`);
    }
  };
  return {
    show(fraction, note) {
      reached = Math.max(reached, Math.min(1, Math.max(0, fraction)));
      draw(note);
    },
    end(note) {
      reached = 1;
      ended = true;
      draw(note);
      if (out.isTTY) out.write('\n');
    },
  };
}

/** Columns as wide as their widest cell; columns whose cells are all numeric stand right. */
export function table(header: string[], rows: string[][]): string {
  const widths = header.map((name, column) =>
    Math.max(name.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  const isRight = header.map((_, column) =>
    rows.every((row) => /^[~$<]? ?[\d.,]/.test(row[column] ?? '')),
  );
  const line = (cells: string[]) =>
    cells
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return isRight[column] ? cell.padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd();
  return [line(header), line(widths.map((width) => '─'.repeat(width))), ...rows.map(line)].join(
    '\n',
  );
}

export const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
export const rate = (bytes: number, ms: number) =>
  `${ms > 0 ? (bytes / 1e3 / ms).toFixed(1) : '–'} MB/s`;
export const seconds = (ms: number) => `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;

/** Two significant digits of a sum that is mostly far below a cent. */
export function dollars(usd: number): string {
  if (usd === 0) return '$0';
  if (usd < 0.000_001) return '< $0.000001';
  return `$${usd.toFixed(Math.max(2, 1 - Math.floor(Math.log10(usd))))}`;
}

export const thousands = (count: number) => count.toLocaleString('en-US');

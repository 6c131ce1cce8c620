// Command lines: checked, with a message that names the option.
import { parseArgs } from 'node:util';
import type { ParseArgsConfig } from 'node:util';
import { messageOf } from '../../shared/message-of.ts';

/** parseArgs; an option it does not know ends the process with a sentence, not with a stack. */
export function readOptions<Config extends ParseArgsConfig>(
  config: Config,
  help: string,
): ReturnType<typeof parseArgs<Config>> {
  try {
    return parseArgs(config);
  } catch (error) {
    console.error(`${messageOf(error)}\n\n${help}`);
    process.exit(2);
  }
}

export function readWholeNumber(
  option: string,
  text: string | undefined,
  fallback: number,
  { min, max }: { min: number; max: number },
): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < min || value > max) {
    console.error(`--${option} takes a whole number from ${min} to ${max}, not "${text}".`);
    process.exit(2);
  }
  return value;
}

export const readPort = (text: string | undefined, fallback: number) =>
  readWholeNumber('port', text, fallback, { min: 1, max: 65_535 });

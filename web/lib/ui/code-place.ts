// A place in a program, as its errors name it.
export interface CodePlace {
  /** Both from 1. */
  line: number;
  column?: number | undefined;
}

/** What is called to show a place in the code. */
export type OpenCode = (line: number, column?: number) => void;

/** Where something comes next in one text: no character is looked at twice, however often it is asked, in order. */
export class Next {
  #at = -1;
  readonly #text: string;
  readonly #find: (text: string, from: number) => number;

  /** `find` gives the first place from `from` on; negative without one. */
  constructor(text: string, find: (text: string, from: number) => number) {
    this.#text = text;
    this.#find = find;
  }

  /** The first place from `at` on; Infinity without one. */
  after(at: number): number {
    if (this.#at >= at) return this.#at;
    const found = this.#find(this.#text, at);
    return (this.#at = found < 0 ? Infinity : found);
  }
}

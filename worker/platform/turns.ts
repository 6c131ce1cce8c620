// Work that waits for others in between, one piece after the other: the next must not come between.

/** Begins the work when all that was handed over before has ended, well or not. */
export type InTurn = <Result>(work: () => Promise<Result> | Result) => Promise<Result>;

export function turns(): InTurn {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const turn = last.then(work);
    last = turn.catch(() => undefined);
    return turn;
  };
}

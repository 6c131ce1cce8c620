// What the edge is asked for besides the example itself, again whenever something moved. An answer that does not come is not
// missed: the numbers beside it stay, and the next look asks again.

/** Must be called while a component is set up. `ask` gives null when there is nothing to ask for: then it is `none`. */
export function createAsked<Value>(none: Value, ask: () => Promise<Value> | null) {
  let value = $state.raw(none);
  let latest = 0;
  $effect(() => {
    const number = ++latest;
    const asked = ask();
    if (asked === null) value = none;
    else
      asked.then(
        (answer) => {
          if (number === latest) value = answer;
        },
        () => {},
      );
  });
  return {
    get value() {
      return value;
    },
  };
}

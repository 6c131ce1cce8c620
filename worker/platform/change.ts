// Memory and storage change together: when storage takes a change back, memory is read anew.
export function change<Result>(
  store: { transaction<Value>(work: () => Value): Value },
  work: () => Result,
  reread: () => void,
): Result {
  try {
    return store.transaction(work);
  } catch (error) {
    reread();
    throw error;
  }
}

// The same work on several things at once, but not on all: a Worker may hold six connections open.

/** The answers in the order of `items`. After the first failure nothing more is begun; it is thrown when all has ended. */
export async function sideBySide<Item, Answer>(
  items: readonly Item[],
  limit: number,
  work: (item: Item, index: number) => Promise<Answer>,
): Promise<Answer[]> {
  const answers = new Array<Answer>(items.length);
  let next = 0;
  let failed = false;
  const worker = async () => {
    while (!failed && next < items.length) {
      const index = next++;
      try {
        answers[index] = await work(items[index] as Item, index);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const workers = Array.from({ length: Math.min(limit, items.length) }, worker);
  const ended = await Promise.allSettled(workers);
  const failure = ended.find((end) => end.status === 'rejected');
  if (failure) throw failure.reason;
  return answers;
}

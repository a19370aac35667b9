// A stream of requests whose first message was looked at, and comes all the same.

/** Reads one message. `rest` brings it again, and all that follow; who stops reading there ends the original. */
export async function firstMessage<T>(
  messages: AsyncIterable<T>,
): Promise<{ readonly first: T | undefined; readonly rest: AsyncIterable<T> }> {
  const iterator = messages[Symbol.asyncIterator]();
  const begun = await iterator.next();
  const rest = async function* (): AsyncGenerator<T> {
    try {
      for (let next = begun; next.done !== true; next = await iterator.next()) yield next.value;
    } finally {
      await iterator.return?.();
    }
  };
  return { first: begun.done === true ? undefined : begun.value, rest: rest() };
}

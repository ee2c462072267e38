/**
 * A web stream over a generator: each item is asked for when the reader wants it, an error of the generator is the
 * stream's, and a reader who leaves ends the generator.
 * @param strategy a high-water mark of infinity reads to the end whether or not somebody reads the stream
 * @param onCancel called before the generator is ended
 */
export function pulledStream<T>(
  items: AsyncGenerator<T, void>,
  strategy?: QueuingStrategy<T>,
  onCancel: (reason: unknown) => void = () => {},
): ReadableStream<T> {
  const source: UnderlyingDefaultSource<T> = {
    pull: async (controller) => {
      try {
        const { done, value } = await items.next();
        if (done) controller.close();
        else controller.enqueue(value);
      } catch (cause) {
        controller.error(cause);
      }
    },
    cancel: async (reason) => {
      onCancel(reason);
      await items.return();
    },
  };
  return new ReadableStream<T>(source, strategy);
}

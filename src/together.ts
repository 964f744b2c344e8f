/** Things that may be disposed of side by side: a scope whose end takes as long as its slowest thing. */
export class Together implements AsyncDisposable {
  readonly #slow: AsyncDisposable[] = [];
  readonly #quick: Disposable[] = [];

  use<T extends AsyncDisposable>(thing: T): T {
    this.#slow.push(thing);
    return thing;
  }

  /** Disposed of before the others. */
  own<T extends Disposable>(thing: T): T {
    this.#quick.push(thing);
    return thing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const errors: unknown[] = [];
    for (const thing of this.#quick.splice(0)) {
      try {
        thing[Symbol.dispose]();
      } catch (error) {
        errors.push(error);
      }
    }
    const ends = await Promise.allSettled(this.#slow.splice(0).map((thing) => thing[Symbol.asyncDispose]()));
    errors.push(...ends.flatMap((end) => (end.status === 'rejected' ? [end.reason] : [])));
    if (errors.length > 0)
      throw errors.length === 1 ? errors[0] : new AggregateError(errors, 'several things could not be removed');
  }
}

/** Why there is no connection to an upstream. */

/** `forbidden`: the policy of addresses said no. `failed`: nobody answered, or not as they should. Its message is for the agent. */
export class DialError extends Error {
  readonly kind: 'forbidden' | 'failed';

  constructor(kind: 'forbidden' | 'failed', message: string) {
    super(message);
    this.kind = kind;
  }
}

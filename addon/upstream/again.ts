/**
 * A request over a connection that others share. Where the upstream says that it did nothing with it, it is sent once more over another:
 * a connection that is being closed, or has enough to do, is no failure of the request.
 */
import { UPSTREAM_WRITE_BYTES } from '../limits.ts';
import type { Client, Leg, Relayed, RequestHead, Unit } from '../message.ts';
import type { SharedLeg } from './stream.ts';

export class RepeatedLeg implements Leg {
  readonly #first: SharedLeg;
  readonly #another: () => Promise<Leg>;
  /** What was sent, as long as it is all and can be sent again. */
  #sent: { readonly head: RequestHead; readonly unit: Unit } | undefined;
  #second: Leg | undefined;

  /** `another`: a leg over a new connection; never rejects. */
  constructor(first: SharedLeg, another: () => Promise<Leg>) {
    this.#first = first;
    this.#another = another;
  }

  get sent(): number {
    return this.#second?.sent ?? this.#first.sent;
  }

  async send(head: RequestHead | undefined, unit: Unit): Promise<void> {
    if (this.#second) return await this.#second.send(head, unit);
    this.#sent = head && { head, unit };
    await this.#first.send(head, unit);
    if (this.#first.isUnprocessed) await this.#repeat();
    if (unit.size > UPSTREAM_WRITE_BYTES) this.#sent = undefined; // it is not ours any longer
  }

  async relay(client: Client): Promise<Relayed> {
    const end = this.#second ? undefined : await this.#first.relay(client);
    if (end && !(end.kind === 'failed' && this.#first.isUnprocessed)) return end;
    await this.#repeat();
    return (await this.#second?.relay(client)) ?? (end as Relayed);
  }

  [Symbol.dispose](): void {
    this.#sent = undefined;
    this.#first[Symbol.dispose]();
    this.#second?.[Symbol.dispose]();
  }

  async #repeat(): Promise<void> {
    const { head, unit } = this.#sent ?? {};
    if (this.#second || !head || !unit) return;
    const second = await this.#another();
    if (!this.#sent) return second[Symbol.dispose](); // it was given up meanwhile
    this.#second = second;
    await second.send(head, unit);
  }
}

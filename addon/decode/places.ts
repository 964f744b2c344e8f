/** Places of JSON texts as one automaton: read along a text, it says of every value which of the declared places it stands at. */

/** What a reader knows of where it is. */
export interface Place {
  /** Indices of the places that are exactly here. */
  readonly at: readonly number[];
  /** No declared place lies further down: nothing of the names there needs to be read. */
  readonly isBarren: boolean;
  /** The value of this key, of an object that stands here. */
  member(key: string): Place;
  /** Any element of an array that stands here. */
  element(): Place;
}

/** Each place: keys from the top joined by dots, `*` for every element of an array. The top of a text is the result. */
export function placesOf(paths: readonly string[]): Place {
  const steps = paths.map((path) => path.split('.'));
  return new Node(steps.map((path, index): Way => ({ index, path })));
}

/** A place and what is left of its way. */
interface Way {
  readonly index: number;
  readonly path: readonly string[];
}

class Node implements Place {
  readonly at: readonly number[];
  readonly isBarren: boolean;
  readonly #ways: readonly Way[];
  /** Only names that stand in a way: as many as were declared, whatever a text holds. */
  readonly #next = new Map<string, Node>();

  constructor(ways: readonly Way[]) {
    this.at = ways.filter(({ path }) => path.length === 0).map(({ index }) => index);
    this.#ways = ways.filter(({ path }) => path.length > 0);
    this.isBarren = this.#ways.length === 0;
  }

  member(key: string): Place {
    return key === ELEMENT ? NOWHERE : this.#step(key);
  }

  element(): Place {
    return this.#step(ELEMENT);
  }

  #step(step: string): Place {
    const known = this.#next.get(step);
    if (known) return known;
    const ways = this.#ways.filter(({ path }) => path[0] === step);
    if (ways.length === 0) return NOWHERE;
    const next = new Node(ways.map(({ index, path }) => ({ index, path: path.slice(1) })));
    this.#next.set(step, next);
    return next;
  }
}

const ELEMENT = '*';
const NOWHERE: Place = new Node([]);

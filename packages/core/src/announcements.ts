// What one server tells all others with the same store: a numbered list, which each of them reads on about once a second.
import type { Timer } from "./clock.ts";
import { toHex } from "./hex.ts";
import type { Host } from "./part.ts";

export interface AnnouncementOptions {
  /** Begins its keys in the store. */
  readonly name: string;
  /** An announcement is kept for so long at least, in milliseconds. */
  readonly keptMs: number;
  /** Is anybody concerned? Once nobody is, the reading stops until the next `follow`. */
  wanted(): boolean;
  /** One was made, here or elsewhere. What it throws goes to the log, and the next is heard a second later. */
  heard(said: string): void;
}

/** The store is asked so often whether others have said something, in milliseconds. */
const ASK_MS = 1_000;
/** How much longer than announcements their list is kept, in milliseconds; its entries a little longer still, so that none is ever written in a place that was read. */
const LIST_MS = 120_000;
const ENTRY_MS = 180_000;

/** The reading of the list, until it is stopped. */
interface Following {
  /** It is known from where to read on. */
  readonly known: Promise<void>;
}
/** Where the list ends, as the last who wrote says. It may have gone on since: what stands there is read on to its end. */
interface Head {
  readonly epoch: string;
  readonly count: number;
}

/** Disposing ends the reading for good. */
export class Announcements implements Disposable {
  readonly #host: Host;
  readonly #options: AnnouncementOptions;
  #following: Following | undefined;
  #timer: Timer | undefined;
  #epoch = "";
  #next = 0;
  #complained = false;
  #over = false;

  constructor(host: Host, options: AnnouncementOptions) {
    this.#host = host;
    this.#options = options;
  }

  /** Reads from the present end of the list on, if it does not yet. Resolves when that end is known: what is said from then on is heard. Rejects when the store cannot be asked. */
  follow(): Promise<void> {
    return (this.#following ??= this.#follow()).known;
  }

  /** Resolves when the store has it. */
  async say(said: string): Promise<void> {
    const { store, random } = this.#host;
    const { keptMs } = this.#options;
    const ttlMs = 2 * keptMs + LIST_MS;
    let head = await this.#head();
    if (head === undefined) {
      const epoch = toHex(random.bytes(8));
      await store.put(this.#key("list"), bytes(`${epoch} 0`), { ttlMs, ifAbsent: true });
      head = (await this.#head()) ?? { epoch, count: 0 };
    }
    let { count } = head;
    const kept = { ttlMs: 2 * keptMs + ENTRY_MS, ifAbsent: true };
    while (!(await store.put(this.#entry(head.epoch, count), bytes(said), kept))) count++; // others speak at the same time
    await store.put(this.#key("list"), bytes(`${head.epoch} ${count + 1}`), { ttlMs });
  }

  /** Until the next `follow`. */
  stop(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = this.#following = undefined;
  }
  [Symbol.dispose](): void {
    this.#over = true; // whoever is admitted still begins no reading that nobody would end
    this.stop();
  }

  #key(of: string): string {
    return `${this.#options.name} ${of}`;
  }
  #entry(epoch: string, number: number): string {
    return this.#key(`list ${epoch} ${number}`);
  }
  async #head(): Promise<Head | undefined> {
    const said = await this.#host.store.get(this.#key("list"));
    if (said === undefined) return undefined;
    const [epoch = "", count = ""] = text(said).split(" ");
    return { epoch, count: Number(count) };
  }

  #follow(): Following {
    const known = this.#head().then((head) => {
      if (this.#following !== following) return;
      this.#epoch = head?.epoch ?? "";
      this.#next = head?.count ?? 0;
      this.#wait(following);
    });
    const following: Following = { known };
    known.catch(() => {
      if (this.#following === following) this.#following = undefined; // whoever comes next tries again
    });
    return following;
  }
  #wait(following: Following): void {
    if (this.#over || !this.#options.wanted()) return this.stop();
    const { clock, random } = this.#host;
    this.#timer = clock.after(ASK_MS * (0.9 + 0.2 * random.next()), () => void this.#ask(following));
  }

  /** One question a second, while nothing was said. */
  async #ask(following: Following): Promise<void> {
    try {
      for (;;) {
        const { store } = this.#host;
        const entry = this.#entry(this.#epoch, this.#next);
        let [head, said] = await Promise.all([this.#head(), store.get(entry)]);
        // The head may be the younger of the two answers: what it counts was written before it.
        if (said === undefined && head?.epoch === this.#epoch && head.count > this.#next) said = await store.get(entry);
        if (this.#following !== following) return;
        if (head !== undefined && head.epoch !== this.#epoch) {
          this.#epoch = head.epoch; // the first list, or the last one was so old that it was forgotten
          this.#next = 0;
          continue;
        }
        if (said === undefined && (head === undefined || head.count <= this.#next)) break;
        this.#next++; // first: what one cannot make sense of is not to come again and again
        if (said !== undefined) this.#options.heard(text(said));
      }
      this.#complained = false;
    } catch (error) {
      if (!this.#complained)
        this.#host.log.warn("what other servers say is not known", { list: this.#options.name, error: String(error) });
      this.#complained = true;
    }
    if (this.#following === following) this.#wait(following);
  }
}

const bytes = (said: string): Uint8Array => new TextEncoder().encode(said);
const text = (value: Uint8Array): string => new TextDecoder().decode(value);

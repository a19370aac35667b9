// What was taken back, on all servers with one store: who holds it is out at once here, and about a second later elsewhere.
import type { Timer } from "./clock.ts";
import { fail } from "./errors.ts";
import type { Host } from "./part.ts";
import type { Opening } from "./plugin.ts";

export interface RevocationOptions {
  /** Name of the plugin: part of its keys in the store. */
  readonly name: string;
  /** A revocation is remembered for so long, in milliseconds: as long as what it takes back lives at most. */
  readonly keptMs: number;
}

/** A server asks the store so often whether others have taken something back, in milliseconds: once for all its sessions, and only while it has some. */
const ASK_MS = 1_000;
/** How much longer than revocations their list is kept, in milliseconds; its entries a little longer still, so that none is ever written in a place that was read. */
const LIST_MS = 120_000;
const ENTRY_MS = 180_000;
/** Openings of one session that are kept in mind: more than race each other. */
const MAX_OPENINGS = 8;

interface Held {
  readonly opening: Opening;
  readonly issuedAt: number;
}
/** The reading of the list, from the first session to the last. */
interface Following {
  /** It is known from where to read on. */
  readonly known: Promise<void>;
}
/** Where the list of revocations ends, as the last who wrote says. It may have gone on since: what stands there is read on to its end. */
interface Head {
  readonly epoch: string;
  readonly count: number;
}

/**
 * Revocations of one plugin, by the id of a principal. Each is a key of its own, which every admission asks for, and an entry in a numbered list, which servers with
 * open sessions read on every second. Disposing ends the reading. For plugins that authenticate.
 */
export class Revocations implements Disposable {
  readonly #host: Host;
  readonly #options: RevocationOptions;
  /** By id, then by the signal that a session or native call has for its end. */
  readonly #held = new Map<string, Map<AbortSignal, Held[]>>();
  /** Undefined while there is nobody who could be ended. */
  #following: Following | undefined;
  #timer: Timer | undefined;
  #epoch = "";
  #next = 0;
  #complained = false;

  constructor(host: Host, options: RevocationOptions) {
    this.#host = host;
    this.#options = options;
  }

  /**
   * Throws `credential_revoked` if what was issued to this principal at that moment (in milliseconds since 1970; 0: at no known time) was taken back. From now on
   * the opening ends with the same when it is taken back. Rejects, too, when the store cannot be asked.
   */
  async admit(opening: Opening, id: string, issuedAt: number): Promise<void> {
    const held: Held = { opening, issuedAt };
    this.#hold(id, held); // before anybody is asked: what is taken back meanwhile refuses the opening
    try {
      await (this.#following ??= this.#follow()).known; // before the key is read: what is taken back after that is found in the list
      await this.check(id, issuedAt);
    } catch (error) {
      this.#release(id, held);
      throw error;
    }
  }

  /** The same for what opens nothing that could be ended, such as a request that wants another credential for this one. Throws `credential_revoked`. */
  async check(id: string, issuedAt: number): Promise<void> {
    const at = await this.#host.store.get(this.#key(`id ${id}`));
    if (at !== undefined && issuedAt <= Number(text(at))) throw fail("credential_revoked");
  }

  /** Takes back all that was issued to a principal up to now. Resolves when the store has it; what is open here has ended by then. */
  async revoke(id: string): Promise<void> {
    const { store, clock, random } = this.#host;
    const { keptMs } = this.#options;
    const at = clock.wallNow();
    await store.put(this.#key(`id ${id}`), bytes(String(at)), { ttlMs: keptMs });
    this.#end(id, at);
    const ttlMs = 2 * keptMs + LIST_MS;
    let head = await this.#head();
    if (head === undefined) {
      let epoch = "";
      for (const byte of random.bytes(8)) epoch += byte.toString(16).padStart(2, "0");
      await store.put(this.#key("list"), bytes(`${epoch} 0`), { ttlMs, ifAbsent: true });
      head = (await this.#head()) ?? { epoch, count: 0 };
    }
    let { count } = head;
    const entry = bytes(JSON.stringify([id, at]));
    const kept = { ttlMs: 2 * keptMs + ENTRY_MS, ifAbsent: true };
    while (!(await store.put(this.#entry(head.epoch, count), entry, kept))) count++; // others revoke at the same time
    await store.put(this.#key("list"), bytes(`${head.epoch} ${count + 1}`), { ttlMs });
  }

  [Symbol.dispose](): void {
    this.#held.clear();
    this.#stop();
  }

  #key(of: string): string {
    return `revoked ${this.#options.name} ${of}`;
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

  #end(id: string, at: number): void {
    for (const openings of [...(this.#held.get(id)?.values() ?? [])])
      for (const { opening, issuedAt } of openings) if (issuedAt <= at) opening.end(fail("credential_revoked"));
  }

  #hold(id: string, held: Held): void {
    const { ended } = held.opening;
    if (ended.aborted) return;
    const sessions = this.#held.get(id) ?? new Map<AbortSignal, Held[]>();
    this.#held.set(id, sessions);
    const openings = sessions.get(ended);
    if (openings === undefined) {
      sessions.set(ended, [held]);
      ended.addEventListener("abort", () => this.#forget(id, ended), { once: true });
      return;
    }
    openings.push(held);
    // Those that were refused or replaced can be ended no more; nobody tells us which, but the present one is `current`.
    if (openings.length > MAX_OPENINGS)
      openings.splice(
        openings.findIndex(({ opening }) => !opening.current),
        1,
      );
  }
  #release(id: string, held: Held): void {
    const { ended } = held.opening;
    const openings =
      this.#held
        .get(id)
        ?.get(ended)
        ?.filter((each) => each !== held) ?? [];
    if (openings.length === 0) this.#forget(id, ended);
    else this.#held.get(id)!.set(ended, openings);
  }
  #forget(id: string, ended: AbortSignal): void {
    const sessions = this.#held.get(id);
    if (sessions?.delete(ended) !== true || sessions.size > 0) return;
    this.#held.delete(id);
    if (this.#held.size === 0) this.#stop();
  }

  // ---- what other servers take back

  /** From the end of the list on: what stands before it, `admit` finds by its key. */
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
    if (this.#held.size === 0) return this.#stop();
    const { clock, random } = this.#host;
    this.#timer = clock.after(ASK_MS * (0.9 + 0.2 * random.next()), () => void this.#ask(following));
  }
  #stop(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = this.#following = undefined;
  }

  /** One question a second, while nothing was taken back. */
  async #ask(following: Following): Promise<void> {
    try {
      for (;;) {
        const { store } = this.#host;
        const [head, said] = await Promise.all([this.#head(), store.get(this.#entry(this.#epoch, this.#next))]);
        if (this.#following !== following) return;
        if (head !== undefined && head.epoch !== this.#epoch) {
          this.#epoch = head.epoch; // the first list, or the last one was so old that it was forgotten
          this.#next = 0;
          continue;
        }
        if (said !== undefined) this.#end(...(JSON.parse(text(said)) as [string, number]));
        else if (head === undefined || head.count <= this.#next) break;
        this.#next++;
      }
      this.#complained = false;
    } catch (error) {
      if (!this.#complained) this.#host.log.warn("what was revoked elsewhere is not known", { error: String(error) });
      this.#complained = true;
    }
    if (this.#following === following) this.#wait(following);
  }
}

const bytes = (said: string): Uint8Array => new TextEncoder().encode(said);
const text = (value: Uint8Array): string => new TextDecoder().decode(value);

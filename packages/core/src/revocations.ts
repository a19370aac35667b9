// What was taken back, on all servers with one store: who holds it is out at once here, and about a second later elsewhere.
import { Announcements } from "./announcements.ts";
import { fail } from "./errors.ts";
import type { Host } from "./part.ts";
import type { Opening } from "./plugin.ts";

export interface RevocationOptions {
  /** Name of the plugin: part of its keys in the store. */
  readonly name: string;
  /** A revocation is remembered for so long, in milliseconds: as long as what it takes back lives at most. */
  readonly keptMs: number;
}

/** Openings of one session that are kept in mind: more than race each other. */
const MAX_OPENINGS = 8;

interface Held {
  readonly opening: Opening;
  readonly issuedAt: number;
}

/**
 * Revocations of one plugin, by the id of a principal. Each is a key of its own, which every admission asks for, and an announcement, which servers with
 * open sessions hear about a second later. Disposing ends the reading. For plugins that authenticate.
 */
export class Revocations implements Disposable {
  readonly #host: Host;
  readonly #options: RevocationOptions;
  /** By id, then by the signal that a session or native call has for its end. */
  readonly #held = new Map<string, Map<AbortSignal, Held[]>>();
  /** Followed while there is somebody who could be ended. */
  readonly #announced: Announcements;

  constructor(host: Host, options: RevocationOptions) {
    this.#host = host;
    this.#options = options;
    this.#announced = new Announcements(host, {
      name: `revoked ${options.name}`,
      keptMs: options.keptMs,
      wanted: () => this.#held.size > 0,
      heard: (said) => this.#end(...(JSON.parse(said) as [string, number])),
    });
  }

  /**
   * Throws `credential_revoked` if what was issued to this principal at that moment (in milliseconds since 1970; 0: at no known time) was taken back. From now on
   * the opening ends with the same when it is taken back. Rejects, too, when the store cannot be asked.
   */
  async admit(opening: Opening, id: string, issuedAt: number): Promise<void> {
    const held: Held = { opening, issuedAt };
    this.#hold(id, held); // before anybody is asked: what is taken back meanwhile refuses the opening
    try {
      await this.#announced.follow(); // before the key is read: what is taken back after that is found in the list
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
    const { store, clock } = this.#host;
    const { keptMs } = this.#options;
    const at = clock.wallNow();
    await store.put(this.#key(`id ${id}`), bytes(String(at)), { ttlMs: keptMs });
    this.#end(id, at);
    await this.#announced.say(JSON.stringify([id, at]));
  }

  [Symbol.dispose](): void {
    this.#held.clear();
    this.#announced[Symbol.dispose]();
  }

  #key(of: string): string {
    return `revoked ${this.#options.name} ${of}`;
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
    if (this.#held.size === 0) this.#announced.stop();
  }
}

const bytes = (said: string): Uint8Array => new TextEncoder().encode(said);
const text = (value: Uint8Array): string => new TextDecoder().decode(value);

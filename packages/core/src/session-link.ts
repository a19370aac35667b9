// One link of a session: from its opening through the handshake to its end, and how far each side is on it.
import type { ConnectError } from "@connectrpc/connect";
import type { LinkCoding } from "./link-coding.ts";
import type { Link, LinkReceiver } from "./link.ts";
import type { Session } from "./session.ts";

/** Who deals with a link until it belongs to a session. */
export interface Handshake {
  batch(link: SessionLink, bytes: Uint8Array): void;
  closed(link: SessionLink, error: ConnectError | undefined): void;
}

export class SessionLink implements LinkReceiver {
  // First what sending needs, in one line of memory.
  readonly link: Link;
  /** Frames go out as lines of JSON; what comes in says itself what it is. */
  text: boolean;
  /** Undefined where nothing is coded. */
  coding: LinkCoding | undefined;
  /** `send` returned false, `drain` has not come yet. */
  blocked = false;
  over = false;
  /** Something went out since the last look. */
  spoke = true;
  /** Undefined once the link belongs to a session, or is over. */
  handshake: Handshake | undefined;
  session: Session | undefined;
  /** Number of the next counted frame to come in on this link; negative as long as the other side has not said it. */
  next = 0;
  /** What `next` was at the beginning. */
  first = 0;
  /** Counted frames that the other side has acknowledged on this link. */
  acked = 0;
  /** Number of the next counted frame to go out on this link. */
  sent = 0;
  /** Something came in since the last look; any byte is life. */
  lively = true;
  heardAt = 0;
  /** Something came in since the link was doubted. */
  answered = true;
  spokeAt = 0;
  /** Nothing came since the handshake. */
  fresh = true;
  /** Server: the client's number of it; 0 if it numbers none. */
  attempt = 0;
  /** Greeted, and not yet chosen by the client: nothing is sent on it. */
  standby = false;

  constructor(link: Link, handshake: Handshake, text: boolean) {
    this.link = link;
    this.handshake = handshake;
    this.text = text;
  }

  batch(bytes: Uint8Array): void {
    if (this.over) return; // given up for dead, and alive after all: what it brings comes over another link
    this.lively = this.answered = true;
    if (this.coding !== undefined) this.coding.receive(bytes);
    else if (this.session !== undefined) this.session.receive(this, bytes);
    else this.handshake?.batch(this, bytes);
  }
  /** In good order, behind all that was sent. */
  close(): void {
    if (this.coding !== undefined) this.coding.close();
    else this.link.close();
  }
  heard(): void {
    this.lively = this.answered = true;
  }
  drain(): void {
    if (this.coding?.drained() === false) return;
    this.blocked = false;
    this.session?.drained(this);
  }
  closed(error: ConnectError | undefined): void {
    if (this.coding?.defers(() => this.end(error)) !== true) this.end(error);
  }
  /** It is over, whatever is still to be dealt with. */
  end(error: ConnectError | undefined): void {
    if (this.over) return;
    this.over = true;
    const { session, handshake } = this;
    this.handshake = undefined;
    if (session !== undefined) session.linkClosed(this, error);
    else handshake?.closed(this, error);
  }
}

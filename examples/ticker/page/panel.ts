// One panel: a connection that prefers one transport, what comes over it, and the buttons that break it.
import { connect, type Connection, type ConnectionSnapshot, type TopicOptions } from "@raceway/client";
import { clientName } from "../client/client-name.ts";
import { Tally } from "../client/tally.ts";
import { preferring, type TransportName, transportNames } from "../client/transports.ts";
import type { OpsClient } from "../gen/ticker/v1/ops.client.ts";
import { BlockManner } from "../gen/ticker/v1/ops_pb.ts";
import { boardClient } from "../gen/ticker/v1/ticker.client.ts";
import { longNameOf, nameOf } from "./names.ts";
import { Plot, SHOWN } from "./plot.ts";
import { element, type LogEntry, type SessionLog } from "./session-log.ts";

export interface PanelInit {
  readonly prefers: TransportName;
  /** What the client calls itself. */
  readonly client: string;
  readonly template: HTMLTemplateElement;
  readonly ops: OpsClient;
  readonly log: SessionLog;
  /** Told whenever there is something to draw. */
  readonly changed: () => void;
}

const BOARD = "sp500";
/** First look for the preferred transport after a fallback or a switch; the wait doubles up to twenty times as much. */
const PROBE_MS = 4_000;
const PING_MS = 2_000;
const AGAIN_MS = 1_000;
const price = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const count = new Intl.NumberFormat("en");
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });

export class Panel {
  readonly root: HTMLElement;
  readonly client: string;
  readonly prefers: TransportName;
  readonly tally: Tally = new Tally();
  readonly #init: PanelInit;
  readonly #connection: Connection;
  readonly #plot: Plot;
  readonly #fields = new Map<string, HTMLElement>();
  readonly #carriers = new Map<TransportName, HTMLButtonElement>();
  #snapshot: ConnectionSnapshot | undefined;
  /** The transport that brought the newest quote; the last one that was in use while there is none. */
  #carrier: TransportName | undefined;
  #links = 0;
  /** When the link was lost. */
  #lostAt: number | undefined;
  #toldOffline = false;
  /** The next quote gets a mark in the plot. */
  #mark: string | undefined;
  #newest: { readonly close: number; readonly date: string } | undefined;

  constructor(init: PanelInit) {
    this.#init = init;
    this.client = init.client;
    this.prefers = init.prefers;
    this.root = (init.template.content.cloneNode(true) as DocumentFragment).querySelector("article")!;
    this.root.dataset["panel"] = this.prefers;
    for (const field of this.root.querySelectorAll<HTMLElement>("[data-field]"))
      this.#fields.set(field.dataset["field"]!, field);
    this.#label();
    this.#buttons();
    document.querySelector("#panels")!.append(this.root);
    this.#plot = new Plot(this.root.querySelector<HTMLElement>(".plot")!);
    this.#connection = connect(location.origin, {
      transports: preferring(this.prefers),
      use: [clientName(this.client)],
      probeMs: PROBE_MS,
    });
    this.#connection.state.subscribe((snapshot) => this.#changed(snapshot));
    setInterval(() => {
      if (this.#snapshot?.status === "open") this.#connection.ping().catch(() => {}); // the link ended; the state says so
    }, PING_MS);
    // Links that are cut every few seconds lose their rank for a minute; here they are cut by hand, and wanted back.
    setInterval(() => {
      if (this.#snapshot?.status === "open" && this.#snapshot.transport !== this.prefers)
        this.#connection.switchTo(this.prefers).catch(() => {}); // blocked: again later
    }, PROBE_MS);
    void this.#read();
  }

  /** Which transports the server does not take at present. */
  blocked(manners: ReadonlyMap<string, BlockManner>): void {
    const own = manners.get(this.prefers) ?? BlockManner.UNSPECIFIED;
    const isBlocked = own !== BlockManner.UNSPECIFIED;
    for (const action of ["block", "swallow"]) this.#button(action).hidden = isBlocked;
    this.#button("unblock").hidden = !isBlocked;
    for (const [name, button] of this.#carriers)
      button.classList.toggle("blocked", (manners.get(name) ?? 0) !== BlockManner.UNSPECIFIED);
  }

  /** A transport works again, as the page happens to know: no need to wait for the next look. */
  unblocked(transport: string): void {
    if (transport === this.prefers && this.#snapshot?.status === "open") void this.#switch(this.prefers);
  }

  draw(): void {
    const { received, missing, duplicates } = this.tally;
    const { status, transport, roundTripMs, nextAttemptAt } = this.#snapshot!;
    this.#set("received", count.format(received));
    this.#set("missing", count.format(missing)).classList.toggle("wrong", missing > 0);
    this.#set("duplicates", count.format(duplicates)).classList.toggle("wrong", duplicates > 0);
    this.#set("links", count.format(this.#links));
    this.#set(
      "roundTrip",
      transport === undefined || roundTripMs === undefined
        ? "–"
        : `${roundTripMs < 100 ? roundTripMs.toFixed(1) : Math.round(roundTripMs)} ms`,
    );
    if (this.#newest !== undefined) {
      this.#set("close", price.format(this.#newest.close));
      this.#set("date", day.format(new Date(this.#newest.date)));
    }
    const live = transport !== undefined;
    const state = this.root.querySelector<HTMLElement>(".status")!;
    state.dataset["tone"] = live ? "live" : status === "offline" && nextAttemptAt === undefined ? "bad" : "waiting";
    state.dataset["status"] = status;
    if (live) state.dataset["transport"] = transport;
    else delete state.dataset["transport"];
    this.#set("status", live ? `Live over ${nameOf(transport)}` : waiting[status]);
    for (const [name, button] of this.#carriers) {
      button.setAttribute("aria-pressed", String(name === transport));
      button.disabled = !live;
    }
    this.#button("cut").disabled = !live;
    this.#plot.draw();
  }

  // ---- what comes

  /** Begins with what fills the plot, then goes on for ever. */
  async #read(): Promise<void> {
    const board = boardClient(this.#connection);
    let from: TopicOptions["from"];
    for (;;) {
      try {
        if (from === undefined) {
          const { epoch, offset } = await board.getBoard({ board: BOARD });
          from = epoch === "" ? "start" : { epoch, offset: Math.max(0, offset - SHOWN) };
        }
        const quotes = board.quotes(
          { board: BOARD },
          {
            from,
            onReset: ({ first }) =>
              this.#say({ what: `Part of the history is gone; reading goes on at ${first}.`, tone: "bad" }),
          },
        );
        for await (const { sequence, close, date } of quotes) {
          from = quotes.position ?? from;
          this.#received(sequence, close, date);
        }
      } catch (error) {
        this.#say({ what: "Reading failed.", detail: messageOf(error), tone: "bad" });
      }
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }

  #received(sequence: number, close: number, date: string): void {
    this.tally.add(sequence);
    const transport = this.#snapshot?.transport;
    if (transport !== undefined) this.#carrier = transport as TransportName;
    const carrier = this.#carrier ?? this.prefers;
    if (this.#mark !== undefined) this.#plot.mark(sequence, this.#mark, carrier);
    this.#mark = undefined;
    this.#plot.add({ sequence, close, date, transport: carrier });
    this.#newest = { close, date };
    this.#init.changed();
  }

  // ---- what happens to the connection

  #changed(now: ConnectionSnapshot): void {
    const before = this.#snapshot;
    this.#snapshot = now;
    this.#init.changed();
    if (now.status === before?.status && now.transport === before.transport) return;
    const { transport } = now;
    if (now.status === "open" && transport !== undefined) this.#opened(transport, before);
    else if (transport === undefined && before?.transport !== undefined) this.#lost(now);
    else if (now.status === "offline" && !this.#toldOffline) {
      this.#toldOffline = true;
      this.#say({ what: "No way to the server; trying on.", detail: now.reason?.rawMessage, tone: "bad" });
    }
  }

  #opened(transport: string, before: ConnectionSnapshot | undefined): void {
    if (before?.transport === transport) return; // a look for another transport, in vain
    this.#links++;
    const name = nameOf(transport);
    if (before?.transport !== undefined) {
      this.#say({ what: `Switched from ${nameOf(before.transport)} to ${name}, in mid-stream.` });
      this.#mark = name;
    } else if (this.#lostAt !== undefined) {
      this.#say({ what: `Goes on over ${name} after ${Math.round(performance.now() - this.#lostAt)} ms.` });
      this.#mark = name;
    } else this.#say({ what: `Connected over ${name}.` });
    this.#lostAt = undefined;
    this.#toldOffline = false;
  }

  #lost({ reason }: ConnectionSnapshot): void {
    this.#lostAt = performance.now();
    this.#say({ what: "Lost its link.", detail: firstSentence(reason?.rawMessage), tone: "quiet" });
  }

  #say(entry: Omit<LogEntry, "who" | "transport">): void {
    this.#init.log.add({ who: nameOf(this.prefers), transport: this.prefers, ...entry });
  }

  // ---- the buttons

  #label(): void {
    const name = longNameOf(this.prefers);
    const title = this.root.querySelector("h2")!;
    title.textContent = name;
    title.id = `title-${this.prefers}`;
    this.root.setAttribute("aria-labelledby", title.id);
    this.root
      .querySelector(".plot")!
      .setAttribute("aria-label", `Quotes that came to the connection which prefers ${name}, coloured by transport`);
    this.root.querySelector(".break")!.setAttribute("aria-label", "Break it");
    this.root.querySelector(".carrier")!.setAttribute("aria-label", "Switch to another transport");
  }

  #buttons(): void {
    const { ops } = this.#init;
    const transport = this.prefers;
    this.#on("cut", async () => void (await ops.cut({ client: this.client })));
    this.#on("block", async () => void (await ops.block({ transport, manner: BlockManner.REFUSE })));
    this.#on("swallow", async () => void (await ops.block({ transport, manner: BlockManner.SWALLOW })));
    this.#on("unblock", async () => void (await ops.unblock({ transport })));
    for (const name of transportNames) {
      const button = element("button", "", nameOf(name));
      button.type = "button";
      button.dataset["transport"] = name;
      button.title =
        name === this.prefers
          ? `Switch to ${nameOf(name)}`
          : `Switch to ${nameOf(name)}, for a few seconds: then it looks for ${nameOf(this.prefers)} again`;
      button.addEventListener("click", () => void this.#switch(name));
      this.#carriers.set(name, button);
      this.root.querySelector(".carriers")!.append(button);
    }
  }

  async #switch(name: TransportName): Promise<void> {
    if (name === this.#snapshot?.transport) return;
    try {
      await this.#connection.switchTo(name);
    } catch (error) {
      this.#say({ what: `Did not switch to ${nameOf(name)}.`, detail: messageOf(error), tone: "bad" });
    }
  }

  #on(action: string, run: () => Promise<void>): void {
    const button = this.#button(action);
    button.addEventListener("click", () => {
      run().catch((error: unknown) =>
        this.#say({ what: `${button.textContent} did not work.`, detail: messageOf(error), tone: "bad" }),
      );
    });
  }
  #button(action: string): HTMLButtonElement {
    return this.root.querySelector<HTMLButtonElement>(`[data-action="${action}"]`)!;
  }
  #set(field: string, text: string): HTMLElement {
    const found = this.#fields.get(field)!;
    if (found.textContent !== text) found.textContent = text;
    return found;
  }
}

const waiting: Readonly<Record<ConnectionSnapshot["status"], string>> = {
  connecting: "Connecting",
  open: "Live",
  resuming: "Resuming",
  switching: "Switching",
  offline: "No way to the server",
  closed: "Closed",
};

/** The rest says what to do, and here somebody does it. */
function firstSentence(text: string | undefined): string | undefined {
  return text?.replace(/(?<=[.!?]) .*$/s, "");
}

function messageOf(error: unknown): string {
  return error instanceof Error && "rawMessage" in error ? String(error.rawMessage) : String(error);
}

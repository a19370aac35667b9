// The page: four panels, the log under them, and a connection of its own for the buttons.
import { connect } from "@raceway/client";
import { websocket } from "@raceway/transport-websocket/client";
import { OPS_PATH } from "../client/ops-path.ts";
import { transportNames } from "../client/transports.ts";
import { opsClient } from "../gen/ticker/v1/ops.client.ts";
import { type BlockManner, type Event, EventKind, type Status } from "../gen/ticker/v1/ops_pb.ts";
import { nameOf } from "./names.ts";
import { Panel } from "./panel.ts";
import { SessionLog } from "./session-log.ts";

/** With reduced motion the figures and plots move once a second. */
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const CALM_MS = 1_000;
const count = new Intl.NumberFormat("en");

const log = new SessionLog(document.querySelector<HTMLElement>("#log")!);
const ops = opsClient(connect(location.origin, { path: OPS_PATH, transports: [websocket()] }));
/** So that the buttons of this page break the connections of this page. */
const page = Array.from(crypto.getRandomValues(new Uint8Array(4)), (byte) => byte.toString(16).padStart(2, "0")).join(
  "",
);
const dirty = new Set<Panel>();
const panels: Panel[] = [];

for (const prefers of transportNames) {
  const panel: Panel = new Panel({
    prefers,
    client: `${page}-${prefers}`,
    template: document.querySelector<HTMLTemplateElement>("#panel")!,
    ops,
    log,
    changed: () => queueMicrotask(() => show(panel)),
  });
  panels.push(panel);
}

function show(panel: Panel): void {
  if (dirty.size === 0) {
    if (calm.matches) setTimeout(draw, CALM_MS);
    else requestAnimationFrame(draw);
  }
  dirty.add(panel);
}
function draw(): void {
  for (const panel of dirty) panel.draw();
  dirty.clear();
  for (const field of ["received", "missing", "duplicates"] as const) {
    const total = panels.reduce((sum, { tally }) => sum + tally[field], 0);
    const shown = document.querySelector<HTMLElement>(`#total-${field}`)!;
    shown.textContent = count.format(total);
    shown.classList.toggle("wrong", field !== "received" && total > 0);
  }
}

// ---- the server's side

function showStatus({ transports }: Status): void {
  const manners = new Map<string, BlockManner>(transports.map(({ transport, blocked }) => [transport, blocked]));
  for (const panel of panels) panel.blocked(manners);
}

const restart = document.querySelector<HTMLButtonElement>("#restart")!;
restart.addEventListener("click", () => {
  restart.disabled = true;
  ops
    .restart({})
    .then(({ downMs }) => log.add({ who: "Server", what: `Back after ${downMs} ms.` }))
    .catch((error: unknown) =>
      log.add({ who: "Server", what: "Was not restarted.", detail: String(error), tone: "bad" }),
    )
    .finally(() => (restart.disabled = false));
});

/** What the server saw of this page's sessions, and what happened to all. */
function tell({ client, kind, transport }: Event): void {
  const panel = panels.find((each) => each.client === client);
  if (client !== "" && panel === undefined) return; // of another page
  const what = whatOf(kind, nameOf(transport));
  if (what === undefined) return;
  if (panel === undefined) log.add({ who: "Server", what });
  else log.add({ who: nameOf(panel.prefers), transport: panel.prefers, what: `The server ${what}.`, tone: "quiet" });
}

function whatOf(kind: EventKind, transport: string): string | undefined {
  switch (kind) {
    case EventKind.OPENED:
      return `opened a new session, over ${transport}`;
    case EventKind.RESUMED:
      return `resumed the session, over ${transport}`;
    case EventKind.CUT:
      return `cut the link over ${transport}`;
    case EventKind.BLOCKED:
      return `Takes no more links over ${transport}.`;
    case EventKind.UNBLOCKED:
      return `Takes links over ${transport} again.`;
    case EventKind.STOPPED:
      return "Stopped, and with it all sessions and sockets.";
    default:
      return undefined;
  }
}

/** Another page may have pressed a button: the events say when to look. */
async function follow(): Promise<void> {
  showStatus(await ops.getStatus({}));
  for await (const event of ops.events({})) {
    tell(event);
    if (event.kind === EventKind.UNBLOCKED) for (const panel of panels) panel.unblocked(event.transport);
    if (event.kind === EventKind.BLOCKED || event.kind === EventKind.UNBLOCKED) showStatus(await ops.getStatus({}));
  }
}
follow().catch((error: unknown) =>
  log.add({ who: "Server", what: "Cannot be reached by the buttons.", detail: String(error), tone: "bad" }),
);

// Checks of the way to a server: whether it answers, what it offers, whether it is ready, and how far the clocks are apart.
import { type Finding, fine, leftOut, warning, wrong } from "./check.ts";
import type { ServedVersions } from "./schema-versions.ts";

/** The part of the negotiation document that is looked at. */
interface Document {
  readonly transports: readonly { readonly name: string }[];
  readonly channels: ServedVersions;
}

/** Date headers count whole seconds, and an answer takes its time; tokens mind no less. */
const SKEW_MS = 5_000;

export interface ServerLook {
  readonly findings: readonly Finding[];
  /** Names of transports; undefined if the server does not say. */
  readonly offered?: readonly string[];
  /** As the server names the versions of its schemas; undefined likewise. */
  readonly channels?: ServedVersions;
}

/** `url` without a slash at its end. */
export async function checkServer(url: string, limitMs: number): Promise<ServerLook> {
  let response: Response;
  const began = performance.now();
  try {
    response = await fetch(`${url}/.well-known/raceway`, { signal: AbortSignal.timeout(limitMs) });
  } catch (error) {
    const reason = reasonOf(error);
    const mend = reason.includes("wrong version number") // OpenSSL's words for an answer that is no TLS
      ? `there is no TLS at this port: try ${url.replace(/^https/, "http")}, or check the port.`
      : "check that it runs, the address, and firewalls on the way.";
    return { findings: [wrong("server", `${url} does not answer: ${reason}`, mend)] };
  }
  if (response.redirected) {
    const elsewhere = response.url.replace(/\/\.well-known\/raceway$/, "");
    const detail = `${url} sends whoever asks on to ${elsewhere}, which clients do not follow`;
    return { findings: [wrong("server", detail, `use ${elsewhere}, if that is your server.`)] };
  }
  const ms = Math.round(performance.now() - began);
  const date = Date.now();
  const findings: Finding[] = [];
  const document = await documentIn(response);
  if (document === undefined) {
    const detail = `${url}/.well-known/raceway has status ${response.status} and no document of Raceway`;
    findings.push(
      wrong("server", detail, "check the address and its path; a proxy has to pass /.well-known/raceway on."),
    );
  } else {
    const { transports, channels } = document;
    findings.push(
      fine(
        "server",
        `answers in ${ms} ms: ${transports.map(({ name }) => name).join(", ")}; ${Object.keys(channels).length} channels`,
      ),
    );
    findings.push(await checkReady(url, limitMs));
  }
  findings.push(checkClock(response.headers.get("date"), date));
  return {
    findings,
    ...(document !== undefined && {
      offered: document.transports.map(({ name }) => name),
      channels: document.channels,
    }),
  };
}

/** `now` in milliseconds since 1970, when the answer came. */
export function checkClock(header: string | null, now: number): Finding {
  const theirs = Date.parse(header ?? "");
  if (Number.isNaN(theirs)) return leftOut("clock", "the server does not say its time");
  // Its date is cut to whole seconds.
  const skewMs = theirs + 500 - now;
  if (Math.abs(skewMs) <= SKEW_MS) return fine("clock", "the server's clock and this one agree within seconds");
  const seconds = Math.round(Math.abs(skewMs) / 1000);
  return warning(
    "clock",
    `the server's clock is ${seconds} s ${skewMs > 0 ? "ahead of" : "behind"} this one`,
    "set both by the network (NTP): tokens and signatures are good for a time only.",
  );
}

async function checkReady(url: string, limitMs: number): Promise<Finding> {
  try {
    const response = await fetch(`${url}/raceway/health`, { signal: AbortSignal.timeout(limitMs) });
    const text = await response.text();
    if (response.ok) return fine("health", "the server is ready");
    if (response.status === 503)
      return warning("health", `the server is not ready: ${text}`, "see its log; it takes no new sessions.");
    return leftOut("health", `the server does not say whether it is ready (status ${response.status})`);
  } catch (error) {
    return warning("health", `the server did not say whether it is ready: ${reasonOf(error)}`, "see its log.");
  }
}

async function documentIn(response: Response): Promise<Document | undefined> {
  try {
    const json = (await response.json()) as Partial<Document> | null;
    const { transports, channels } = json ?? {};
    return Array.isArray(transports) && typeof channels === "object" && channels !== null
      ? { transports, channels }
      : undefined;
  } catch {
    return undefined; // a page of somebody else, or cut off
  }
}

function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error && cause.message !== "" ? cause.message : message;
}

// A page that signs its user in. The fragment of its first address says how: issuer, server, and where tokens are kept.
import { signIn } from "@raceway/auth-oauth/client";
import { connect } from "@raceway/client";
import { reasonOf, systemClock } from "@raceway/core";
import { websocket } from "@raceway/transport-websocket/client";
import { labClient } from "../gen/lab/v1/lab.client.ts";

interface Settings {
  readonly issuer: string;
  readonly server: string;
  readonly keepIn: "memory" | "indexedDB";
  /** Signs in silently when nobody is signed in and the page was not sent here by the issuer. */
  readonly silent: boolean;
}

/** What a test reads and does in the page. */
export interface SignInPage {
  /** What became of `complete`: "nothing", "in", "out", or the reason. */
  readonly completed: string;
  readonly user: string | undefined;
  readonly status: string;
  readonly storages: string;
  echo(text: string): Promise<string>;
  token(): Promise<string>;
  begin(returnTo?: string): Promise<void>;
  signOut(): Promise<void>;
  /** So many milliseconds pass at once, for the tokens. */
  later(ms: number): void;
}

if (location.hash.length > 1) {
  sessionStorage.setItem("settings", decodeURIComponent(location.hash.slice(1)));
  history.replaceState(null, "", location.pathname + location.search);
}
const { issuer, server, keepIn, silent } = JSON.parse(sessionStorage.getItem("settings")!) as Settings;
let laterMs = 0;
const real = systemClock();
const clock = { ...real, wallNow: () => real.wallNow() + laterMs };
const user = signIn({
  issuer,
  clientId: "page",
  redirectUri: `${location.origin}/back`,
  signedOutUri: `${location.origin}/back`,
  scope: "openid offline_access chat",
  keepIn,
});
const completing = user.complete().then(
  (done) => (done === undefined ? "nothing" : done.signedIn ? "in" : "out"),
  (error: unknown) => reasonOf(error) ?? String(error),
);
const connection = connect(server, { transports: [websocket()], use: [user], clock });
const lab = labClient(connection);
const completed = await completing;
if (silent && !user.signedIn && completed === "nothing") await user.begin({ silent: true });
else {
  const page: SignInPage = {
    completed,
    get user() {
      return user.claims?.sub;
    },
    get status() {
      return `${connection.state.current.status} ${reasonOf(connection.state.current.reason) ?? "-"}`;
    },
    get storages() {
      return JSON.stringify([localStorage, sessionStorage].map((storage) => Object.entries(storage)));
    },
    echo: async (text) => (await lab.echo({ text })).text,
    token: () => user.token(),
    begin: (returnTo) => user.begin(returnTo === undefined ? {} : { returnTo }),
    signOut: () => user.signOut(),
    later(ms) {
      laterMs += ms;
    },
  };
  Object.assign(globalThis, { signInPage: page });
}

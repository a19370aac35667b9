// A user who signs in at the issuer, in the browser: authorization code with PKCE (RFC 6749 section 4.1, RFC 7636), refresh tokens, and the way out.
import { learn, oauthReasons, reasonOf } from "@raceway/core";
import type { IDToken } from "oauth4webapi";
import { AuthorizationCode, type AuthorizationOptions, authorizationOptions } from "./authorization-code.ts";
import { browserStore } from "./browser-store.ts";
import { Issuer } from "./issuer.ts";
import { memoryStore } from "./memory-store.ts";
import { checkNames, optionError } from "./option-error.ts";
import { TokenKeeper } from "./token-keeper.ts";
import { type TokenSource, tokenSource } from "./token-source.ts";
import { Transactions } from "./transaction.ts";
import { SharedWorld } from "./world.ts";

learn(oauthReasons);

export interface SignInOptions extends AuthorizationOptions {
  /**
   * Where tokens are. "memory", the default: no other page, no later one, and no script that only reads storages gets at them; a reload needs a (silent) sign-in.
   * "indexedDB": all tabs share them, and they stay over reloads, for every script of this origin to read.
   */
  readonly keepIn?: "memory" | "indexedDB";
  /** Comes in as nobody while nobody is signed in: for servers with public channels, and `anonymous` of their own. Default false: the connection ends with `sign_in_required`. */
  readonly anonymous?: boolean;
  /** Goes to an address of the issuer. Default: this page does. A native shell opens the system's browser, and hands the address that comes back to `complete`. */
  readonly navigate?: (url: string) => void;
}

export interface BeginOptions {
  /** Where the user is after the sign-in, an address of this origin. Default: where he is now. */
  readonly returnTo?: string;
  /** Shows nothing, and asks nobody: signs in who is signed in at the issuer already, and else comes back with `signedIn: false`. Default false. */
  readonly silent?: boolean;
  /** What the issuer is told for this one time, such as `{ login_hint: "ann@example.com" }` or `{ prompt: "login" }`. */
  readonly parameters?: Readonly<Record<string, string>>;
}

export interface Completed {
  /** False: it was a silent sign-in, and the issuer would have had to ask the user something. */
  readonly signedIn: boolean;
  /** Where the user was when it began; a page's address is that again already. */
  readonly returnTo: string | undefined;
}

/** The plugin, and what a page does with it. */
export interface SignIn extends TokenSource {
  /** What the issuer said of the user in the ID token; undefined while nobody is signed in, or without the scope "openid". For display: what counts is what the server finds in the access token. */
  readonly claims: IDToken | undefined;
  /** Somebody is signed in, as far as is known here: with "indexedDB" from when `complete` was called, and until it is noticed that another tab signed out. */
  readonly signedIn: boolean;
  /** Leaves for the issuer; the page is gone then. Rejects with `issuer_failed`. */
  begin(options?: BeginOptions): Promise<void>;
  /**
   * To be called once when the page has loaded: if it is the issuer that sent the browser here, takes what it brought, and puts the address back where the user was.
   * Otherwise undefined. Connections wait for it. Rejects with `issuer_refused` (`access_denied`: the user said no), `sign_in_invalid`, `issuer_failed`.
   */
  complete(href?: string): Promise<Completed | undefined>;
  /** Forgets the tokens, has the issuer revoke them, and goes to its own sign-out if it has one. Close the connections before: a session is good for as long as its token. Rejects with `issuer_failed` if tokens could not be revoked; they are forgotten here all the same. */
  signOut(): Promise<void>;
}

const PART = "sign-in";
const NAMES = [...authorizationOptions, "keepIn", "anonymous", "navigate"];

/** Shows the access token of the user who is signed in; renews it in time, by one tab at a time. */
export function signIn(options: SignInOptions): SignIn {
  checkNames(PART, options, NAMES);
  const { keepIn = "memory", anonymous = false, navigate = (url: string): void => location.assign(url) } = options;
  if (keepIn !== "memory" && keepIn !== "indexedDB")
    throw optionError(PART, "keepIn", keepIn, '"memory" or "indexedDB"');
  const issuer = new Issuer(PART, options);
  const world = new SharedWorld();
  const flow = new AuthorizationCode(PART, issuer, world, options);
  const name = `raceway sign-in ${issuer.id} ${options.clientId}`;
  const transactions = new Transactions(name);
  const store = keepIn === "memory" ? memoryStore() : browserStore(name);
  const keeper = new TokenKeeper(store, world, (kept) => flow.renew(kept));
  let completing: Promise<Completed | undefined> | undefined;

  async function complete(href: string): Promise<Completed | undefined> {
    await keeper.load();
    const url = URL.parse(href);
    if (url === null || !flow.isAnswer(url)) return undefined;
    const answer = url.searchParams;
    const transaction = transactions.recall(answer.get("state") ?? "");
    if (globalThis.location?.href === href)
      history.replaceState(history.state, "", transaction?.returnTo ?? url.pathname);
    if (transaction === undefined) throw flow.stranger();
    const tokens = await flow.finish(answer, transaction);
    if (tokens !== undefined) await keeper.put(tokens);
    return { signedIn: tokens !== undefined, returnTo: transaction.returnTo };
  }
  const source = tokenSource(PART, world, async (besides) => {
    await completing?.catch(() => {}); // whoever called `complete` is told
    try {
      return await keeper.access(besides);
    } catch (error) {
      if (anonymous && reasonOf(error) === "sign_in_required") return "";
      throw error;
    }
  });
  return {
    ...source,
    get claims() {
      return keeper.known?.claims;
    },
    get signedIn() {
      return keeper.known !== undefined;
    },
    async begin({ returnTo = globalThis.location?.href, silent = false, parameters } = {}) {
      const home = returnTo === undefined ? undefined : ownAddress(returnTo);
      const { transaction, url } = await flow.begin(home, silent, parameters);
      transactions.remember(transaction);
      navigate(url);
    },
    complete(href = globalThis.location?.href ?? "") {
      // One at a time: frameworks call twice what is to be called once.
      return (completing ??= complete(href).finally(() => (completing = undefined)));
    },
    async signOut() {
      const kept = await keeper.take();
      if (kept === undefined) return;
      const [revoked, wayOut] = await Promise.allSettled([flow.revoke(kept), flow.wayOut(kept)]);
      if (wayOut.status === "fulfilled" && wayOut.value !== undefined) navigate(wayOut.value);
      if (revoked.status === "rejected") throw revoked.reason;
    },
  };
}

/** Where a user is sent back to is never somebody else's: an address that came from elsewhere could be. */
function ownAddress(given: string): string {
  const url = URL.parse(given, globalThis.location?.href);
  if (url === null || (globalThis.location !== undefined && url.origin !== location.origin))
    throw optionError(PART, "returnTo", given, "an address of this origin");
  return url.href;
}

// Mounts a handler in somebody else's Node server, without disturbing its own listeners.
import type { IncomingMessage } from "node:http";
import { Http2ServerRequest, Http2ServerResponse, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import type { Duplex } from "node:stream";
import type { Clock } from "@raceway/core";
import type { HttpLimitOptions } from "./http-limits.ts";
import { answerNode, type NodeHttp, nodeHttp, type NodeRequest, type NodeResponse, upgradeNode } from "./http-node.ts";
import { type HttpHandler, isUnder } from "./http-router.ts";

/** What all of Node's servers have: `http`, `https`, `http2`, with TLS or not. */
export interface NodeServer {
  on(event: string, listener: () => void): unknown;
  emit(event: string, ...values: never[]): boolean;
  listenerCount(event: string): number;
}

export interface AttachOptions {
  /** Requests to these paths and below are ours. */
  readonly path: string | readonly string[];
  readonly clock: Clock;
  readonly limits?: HttpLimitOptions | undefined;
}

interface Attached {
  readonly paths: readonly string[];
  readonly handler: HttpHandler;
  readonly http: NodeHttp;
}

type Emit = (this: unknown, event: string, ...values: unknown[]) => boolean;
type ShouldUpgrade = (this: unknown, request: IncomingMessage) => boolean;
/** The two methods of a server that are replaced while anything is attached. */
interface Patched {
  emit: Emit;
  shouldUpgradeCallback?: ShouldUpgrade;
}

/** What is attached to a server; the server's methods are replaced once, whatever the number. */
const servers = new WeakMap<object, Set<Attached>>();

/**
 * Takes the requests under the paths out of what the server's listeners get to see; nothing else changes for them, whether they came before
 * or after, answer everything or nothing. Disposing gives the paths back; what is under way goes on.
 */
export function attachTo(server: NodeServer, handler: HttpHandler, options: AttachOptions): Disposable {
  const attached: Attached = {
    paths: typeof options.path === "string" ? [options.path] : [...options.path],
    handler,
    http: nodeHttp(options),
  };
  const all = servers.get(server) ?? patch(server);
  all.add(attached);
  return {
    [Symbol.dispose]() {
      all.delete(attached);
    },
  };
}

/**
 * Replaces `emit`, which is where Node's servers hand over a request: listeners that are added later come after it as well. A patched server
 * stays so when nothing is attached any more, since others may have wrapped it in between; then it only passes on.
 */
function patch(server: NodeServer): Set<Attached> {
  const all = new Set<Attached>();
  servers.set(server, all);
  const find = (target: string | undefined): Attached | undefined => {
    if (target === undefined) return undefined;
    const query = target.indexOf("?");
    const path = query < 0 ? target : target.slice(0, query);
    for (const attached of all) for (const ours of attached.paths) if (isUnder(path, ours)) return attached;
    return undefined;
  };
  const patched = server as unknown as Patched;
  const { emit, shouldUpgradeCallback } = patched;
  patched.emit = function (event, ...values) {
    switch (event) {
      case "request":
      case "checkContinue": {
        const [request, response] = values as [NodeRequest, NodeResponse];
        const ours = find(request.url);
        if (ours === undefined) break;
        if (event === "checkContinue") response.writeContinue();
        answerNode(ours.handler, request, response, ours.http);
        return true;
      }
      case "upgrade": {
        const [request, socket, head] = values as [IncomingMessage, Duplex, Buffer];
        const ours = find(request.url);
        if (ours === undefined) {
          if (server.listenerCount("upgrade") > OWN_LISTENERS) break;
          socket.destroy(); // as Node does when there is no listener
          return false;
        }
        upgradeNode(ours.handler, request, socket, head, ours.http);
        return true;
      }
      case "stream": {
        // HTTP/2: before it becomes a `request`, for those who listen to streams, or to nothing
        const [stream, headers, , rawHeaders] = values as [ServerHttp2Stream, IncomingHttpHeaders, number, string[]];
        const ours = headers[":method"] === "CONNECT" ? undefined : find(headers[":path"]);
        if (ours === undefined) break;
        const request = new Http2ServerRequest(stream, headers, {}, rawHeaders);
        const response = new Http2ServerResponse(stream);
        if (headers.expect?.toLowerCase() === "100-continue") response.writeContinue();
        answerNode(ours.handler, request, response, ours.http);
        return true;
      }
    }
    return emit.call(this, event, ...values);
  };
  // Node ends the connection of an upgrade that nobody listens for, and does not even emit it (http-attach.test.ts).
  server.on("upgrade", ignore);
  // With a listener, Node hands over all upgrades; those that are not ours still have to find what they would find without us.
  patched.shouldUpgradeCallback = function (request) {
    const ours = find(request.url);
    if (ours !== undefined) return request.headers.upgrade?.toLowerCase() === "websocket";
    const others = server.listenerCount("upgrade") - OWN_LISTENERS;
    if (shouldUpgradeCallback === undefined) return others > 0;
    // Node's own, which is the usual one, asks for the number of listeners.
    const withoutUs: unknown = Object.create(this as object, { listenerCount: { value: () => others } });
    return shouldUpgradeCallback.call(withoutUs, request);
  };
  return all;
}
const OWN_LISTENERS = 1;
function ignore(): void {}

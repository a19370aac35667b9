// How a client tells the server who it is: a header of the session, which all transports carry.
import { definePlugin, type Plugin } from "@raceway/core";

export const CLIENT_HEADER = "x-ticker-client";

export function clientName(name: string): Plugin {
  return definePlugin({
    name: "client-name",
    start: () => ({ introduce: ({ headers }) => headers.set(CLIENT_HEADER, name) }),
  });
}

// The client half: shows the key whenever the server wants to know who is there. It runs in browsers too, so it imports nothing of Node.
import { type Plugin, definePlugin, fail } from "@raceway/core";

/** Shows an API key. A function is asked each time: for a key that is kept elsewhere, or changes. */
export function apiKey(key: string | (() => string | Promise<string>)): Plugin {
  if (key === "" || (typeof key !== "string" && typeof key !== "function"))
    throw fail("option_invalid", {
      part: "api-key",
      option: "key",
      value: key === "" ? "an empty string" : typeof key, // never the key itself: errors end up in logs
      expected: "a key, or a function that gives one",
    });
  return definePlugin({
    name: "api-key",
    start: () => ({
      // Before each `Hello`, and when the server wants to see the credential again.
      async introduce(introduction) {
        introduction.credential = typeof key === "function" ? await key() : key;
      },
    }),
  });
}

// A room, as a page needs it: what was said, whether it is live, and a way to speak. Knows nothing of the page, so that tests can have it.
import type { Connection } from "@raceway/client";
import { roomClient } from "./gen/chat/v1/room.client.ts";

export interface Shown {
  readonly lines: readonly string[];
  /** False: the server cannot be reached; what is said waits until it can. */
  readonly live: boolean;
}

export interface Room {
  say(text: string): Promise<void>;
  /** Settles when the room is over: with an error, or because the connection was closed. */
  readonly over: Promise<void>;
}

/** Joins a room from its beginning, and tells `show` whenever something is new. */
export function joinRoom(connection: Connection, room: string, show: (shown: Shown) => void): Room {
  const client = roomClient(connection);
  let shown: Shown = { lines: [], live: false };
  const update = (change: Partial<Shown>): void => show((shown = { ...shown, ...change }));
  const watching = connection.state.subscribe(({ status }) => {
    const live = status === "open" || status === "switching";
    if (live !== shown.live) update({ live });
  });
  const read = async (): Promise<void> => {
    try {
      const onReset = (): void => update({ lines: [] }); // a server that has forgotten what was said begins anew
      for await (const { text } of client.lines({ room }, { from: "start", onReset }))
        update({ lines: [...shown.lines, text] });
    } finally {
      watching[Symbol.dispose]();
    }
  };
  return {
    over: read(),
    async say(text) {
      await client.say({ room, text });
    },
  };
}

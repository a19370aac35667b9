// Counts the bytes of all TCP connections that this process opened, whatever library opened them.
import { subscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";

export interface Bytes {
  readonly received: number;
  readonly sent: number;
}

const open = new Set<Socket>();
let closedReceived = 0;
let closedSent = 0;

/** Called once, before anything connects. */
export function watchSockets(): void {
  subscribe("net.client.socket", (message) => {
    const { socket } = message as { socket: Socket };
    open.add(socket);
    socket.once("close", () => {
      open.delete(socket);
      closedReceived += socket.bytesRead;
      closedSent += socket.bytesWritten;
    });
  });
}

/** All bytes so far. */
export function countBytes(): Bytes {
  let received = closedReceived;
  let sent = closedSent;
  for (const socket of open) {
    received += socket.bytesRead;
    sent += socket.bytesWritten;
  }
  return { received, sent };
}

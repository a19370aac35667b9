// A proxy for bytes that can be cut: at once, or in the middle of what is being sent. Stands between a client and a server on this machine.
import { connect, createServer, type Socket } from "node:net";

export interface FaultProxy extends AsyncDisposable {
  /** Where it listens: a free port of the loopback interface, or the path that was asked for. */
  readonly address: number | string;
  /** Breaks all connections: now, or when so many more bytes have passed, in either direction. New connections work. */
  cut(afterBytes?: number): void;
}

/** Where something listens on this machine: a port of the loopback interface, or the path of a Unix domain socket (or named pipe). */
export type LocalAddress = number | string;

const at = (address: LocalAddress): { port: number; host: string } | { path: string } =>
  typeof address === "number" ? { port: address, host: "127.0.0.1" } : { path: address };

/** Starts a proxy in front of something that listens on this machine. */
export async function faultProxy(target: LocalAddress, listen: LocalAddress = 0): Promise<FaultProxy> {
  const sockets = new Set<Socket>();
  let bytesLeft = Infinity;

  const cutNow = (): void => {
    bytesLeft = Infinity;
    for (const socket of sockets) reset(socket);
  };
  const carry = (from: Socket, to: Socket): void => {
    sockets.add(from);
    from.setNoDelay(true);
    from.on("data", (chunk: Buffer) => {
      const passes = chunk.subarray(0, bytesLeft);
      bytesLeft -= passes.length;
      if (bytesLeft > 0) {
        if (!to.write(passes)) from.pause();
        return;
      }
      // The last bytes have to leave before the connection does, so that the other side really gets a part.
      bytesLeft = Infinity;
      to.write(passes, () => cutNow());
    });
    to.on("drain", () => from.resume());
    from.on("end", () => to.end());
    from.on("error", () => to.destroy()); // a reset on one side is one on the other
    from.on("close", () => {
      sockets.delete(from);
      if (from.errored !== null || !from.readableEnded) reset(to);
    });
  };
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const behind = connect({ ...at(target), allowHalfOpen: true });
    carry(client, behind);
    carry(behind, client);
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(at(listen), resolve));
  const address = server.address();
  return {
    address: typeof address === "object" && address !== null ? address.port : listen,
    cut: (afterBytes) => (afterBytes === undefined ? cutNow() : void (bytesLeft = afterBytes)),
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** Ends a connection as a broken one ends. Unix domain sockets know no reset: there the other side sees an end that it did not expect. */
function reset(socket: Socket): void {
  if (socket.remoteFamily === undefined) socket.destroy();
  else socket.resetAndDestroy();
}

// A TCP proxy that can be cut: at once, or in the middle of what is being sent. Stands between a client and a server on this machine.
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

export interface FaultProxy extends AsyncDisposable {
  readonly port: number;
  /** Resets all connections: now, or when so many more bytes have passed, in either direction. New connections work. */
  cut(afterBytes?: number): void;
}

/** Starts a proxy on a free port of the loopback interface, in front of a port on it. */
export async function faultProxy(targetPort: number): Promise<FaultProxy> {
  const sockets = new Set<Socket>();
  let bytesLeft = Infinity;

  const cutNow = (): void => {
    bytesLeft = Infinity;
    for (const socket of sockets) socket.resetAndDestroy();
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
      if (from.errored !== null || !from.readableEnded) to.resetAndDestroy();
    });
  };
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const target = connect({ port: targetPort, host: "127.0.0.1", allowHalfOpen: true });
    carry(client, target);
    carry(target, client);
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    cut: (afterBytes) => (afterBytes === undefined ? cutNow() : void (bytesLeft = afterBytes)),
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

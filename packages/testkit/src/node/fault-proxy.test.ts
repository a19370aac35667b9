// The fault proxy, with plain sockets on both sides of it: each fault is what it says, and ends when it should.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { expect, it } from "vitest";
import { virtualClock, type VirtualClock } from "../virtual-clock.ts";
import { type FaultProxy, faultProxy, type FaultProxyOptions } from "./fault-proxy.ts";

/** One end of a connection, with all that it got. */
class End {
  readonly socket: Socket;
  text = "";
  /** Sizes of what came at once. */
  readonly pieces: number[] = [];
  /** "open", "ended" in good order, or "broken". */
  state = "open";
  readonly #watchers = new Set<() => void>();

  constructor(socket: Socket) {
    this.socket = socket;
    const look = (): void => {
      for (const watcher of this.#watchers) watcher();
    };
    socket.on("data", (chunk: Buffer) => {
      this.text += chunk.toString("latin1");
      this.pieces.push(chunk.length);
      look();
    });
    socket.on("end", () => {
      this.state = "ended";
      look();
    });
    socket.on("error", () => {
      this.state = "broken";
      look();
    });
    socket.on("connect", look);
    socket.on("close", look);
  }
  until(holds: (end: this) => boolean): Promise<void> {
    return new Promise((resolve) => {
      const watch = (): void => {
        if (!holds(this)) return;
        this.#watchers.delete(watch);
        resolve();
      };
      this.#watchers.add(watch);
      watch();
    });
  }
  /** Until it got so much. */
  got(text: string): Promise<void> {
    return this.until((end) => end.text === text);
  }
  became(state: string): Promise<void> {
    return this.until((end) => end.state === state);
  }
}

interface Wire extends AsyncDisposable {
  readonly proxy: FaultProxy;
  readonly clock: VirtualClock;
  /** The client's end alone. */
  dial(): Promise<End>;
  /** Both ends. */
  open(): Promise<{ readonly client: End; readonly server: End }>;
}

async function wire(options: FaultProxyOptions = {}): Promise<Wire> {
  const clock = virtualClock();
  const arrived: End[] = [];
  let arrival = (): void => {};
  const sockets: Socket[] = [];
  const listener = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    arrived.push(new End(socket));
    arrival();
  });
  await once(listener.listen(0, "127.0.0.1"), "listening");
  const proxy = await faultProxy((listener.address() as { port: number }).port, { clock, ...options });
  const dial = async (): Promise<End> => {
    const socket = connect({ port: Number(proxy.address), host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
    sockets.push(socket);
    const end = new End(socket);
    await end.until(({ state }) => state === "broken" || !socket.connecting);
    return end;
  };
  return {
    proxy,
    clock,
    dial,
    async open() {
      const came = new Promise<void>((resolve) => (arrival = resolve));
      const client = await dial();
      await came;
      return { client, server: arrived.at(-1)! };
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await proxy[Symbol.asyncDispose]();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}

it("passes everything, both ways, with the ends in good order", async () => {
  await using it = await wire();
  const { client, server } = await it.open();
  client.socket.end("up");
  await server.got("up");
  await server.became("ended");
  server.socket.end("down");
  await client.became("ended");
  expect([server.text, client.text]).toEqual(["up", "down"]);
});

it("cuts both sides, and takes new connections after it", async () => {
  await using it = await wire();
  const { client, server } = await it.open();
  it.proxy.cut();
  await Promise.all([client.became("broken"), server.became("broken")]);
  const next = await it.open();
  next.client.socket.write("again");
  await next.server.got("again");
  expect(it.proxy.connections.map(({ open }) => open)).toEqual([true]);
});

it("cuts after exactly so many bytes of one direction", async () => {
  await using it = await wire();
  const { client, server } = await it.open();
  it.proxy.cut(5, "down");
  client.socket.write("more than five");
  await server.got("more than five");
  server.socket.write("0123456789");
  await client.became("broken");
  expect(client.text).toBe("01234");
});

it("cuts one connection and leaves the others", async () => {
  await using it = await wire();
  const first = await it.open();
  const second = await it.open();
  const [connection] = it.proxy.connections;
  connection!.cut();
  await connection!.closed;
  await first.client.became("broken");
  second.client.socket.write("here");
  await second.server.got("here");
  expect(it.proxy.connections).toHaveLength(1);
});

it("half-closes one direction while the other goes on", async () => {
  await using it = await wire();
  const { client, server } = await it.open();
  it.proxy.halfClose("up");
  await server.became("ended");
  client.socket.write("into the void");
  server.socket.write("down");
  await client.got("down");
  expect([client.state, server.text]).toEqual(["open", ""]);
});

it("a stalled direction passes nothing and fills up, the other goes on, and all comes when it is restored", async () => {
  await using it = await wire();
  const { client, server } = await it.open();
  it.proxy.stall("up");
  const much = "x".repeat(32 * 1024 * 1024);
  expect(client.socket.write(much)).toBe(false);
  server.socket.write("down");
  await client.got("down");
  await it.clock.settle();
  expect([server.text.length, client.socket.writableLength > 0]).toEqual([0, true]); // more than all buffers on the way hold
  it.proxy.restore();
  await server.until(({ text }) => text.length === much.length);
});

it("a stall holds for connections to come, too", async () => {
  await using it = await wire();
  it.proxy.stall();
  const { client, server } = await it.open();
  client.socket.write("later");
  await it.clock.settle();
  expect(server.text).toBe("");
  it.proxy.restore();
  await server.got("later");
});

it("throttles to so many bytes per second", async () => {
  await using it = await wire();
  const { client, server } = await it.open();
  it.proxy.shape({ bytesPerSecond: 1_000 }, "up");
  client.socket.write("x".repeat(3_000));
  await it.clock.settle();
  await it.clock.advance(1_000);
  await server.until(({ text }) => text.length >= 900);
  expect(server.text.length).toBeLessThanOrEqual(1_100);
  await it.clock.advance(2_100);
  await server.until(({ text }) => text.length === 3_000);
});

it("delays, and with jitter keeps the order", async () => {
  await using it = await wire();
  const { client, server } = await it.open();
  it.proxy.shape({ delayMs: 100, jitterMs: 400 });
  let said = "";
  for (const piece of ["one ", "two ", "three ", "four"]) {
    said += piece;
    client.socket.write(piece);
    await it.clock.settle();
  }
  await it.clock.advance(99);
  expect(server.text).toBe("");
  await it.clock.advance(401);
  await server.got(said);
});

it("splits into pieces, at any byte, and loses none", async () => {
  await using it = await wire();
  const { client, server } = await it.open();
  it.proxy.shape({ splitBytes: 3 }, "up");
  const said = Array.from({ length: 100 }, (_, at) => String(at)).join(" ");
  client.socket.write(said);
  await server.got(said);
  expect(server.pieces.length).toBeGreaterThan(20);
});

it("refuses new connections, and lets open ones be", async () => {
  await using it = await wire();
  const { client, server } = await it.open();
  it.proxy.admit("refuse");
  const refused = await it.dial();
  await refused.until(({ state, socket }) => state === "broken" || socket.destroyed);
  client.socket.write("still here");
  await server.got("still here");
  it.proxy.restore();
  const next = await it.open();
  next.client.socket.write("back");
  await next.server.got("back");
  expect([client.state, refused.state]).toEqual(["open", "broken"]);
});

it("lets new connections hang, and leads them on when it is restored", async () => {
  await using it = await wire();
  it.proxy.admit("hang");
  const client = await it.dial();
  client.socket.write("is anybody there?");
  await it.clock.settle();
  expect([client.state, client.text]).toEqual(["open", ""]);
  it.proxy.restore();
  const { server } = await it.open(); // the one that hung came before
  expect(server.text).toBe("");
  await client.until(({ state }) => state === "open");
  expect(it.proxy.connections).toHaveLength(2);
  const passed = it.proxy.connections[0]!;
  if (passed.passed.up === 0) await it.proxy.passed(1, "up");
  expect(passed.passed.up).toBe("is anybody there?".length);
});

it("cuts connections so long after their opening", async () => {
  await using it = await wire();
  it.proxy.lifetime(500);
  const { client } = await it.open();
  await it.clock.advance(499);
  expect(client.state).toBe("open");
  await it.clock.advance(1);
  await client.became("broken");
});

it("says when so many bytes have passed", async () => {
  await using it = await wire();
  const { client, server } = await it.open();
  const passed = it.proxy.passed(8, "down");
  client.socket.write("not counted");
  server.socket.write("1234");
  await client.got("1234");
  server.socket.write("5678");
  await passed;
  expect(it.proxy.connections[0]!.passed.down).toBe(8);
});

it("a process whose connections were cut while their end was on its way can exit", { timeout: 60_000 }, async () => {
  const story = `
    import { once } from "node:events";
    import { connect, createServer } from "node:net";
    import { faultProxy } from "@raceway/testkit/node";
    const server = createServer({ allowHalfOpen: true }, (socket) => socket.on("error", () => {}).resume()).listen(0, "127.0.0.1");
    await once(server, "listening");
    const proxy = await faultProxy(server.address().port);
    const client = connect({ port: proxy.address, host: "127.0.0.1", allowHalfOpen: true }).on("error", () => {});
    client.write("x");
    await proxy.passed(1);
    proxy.halfClose("down");
    proxy.cut();
    await proxy[Symbol.asyncDispose]();
    client.destroy();
    server.close();`;
  const node = spawn(process.execPath, ["-C", "@raceway/source", "--input-type=module", "-e", story], {
    cwd: import.meta.dirname,
    stdio: ["ignore", "ignore", "inherit"],
    timeout: 30_000, // it would run for ever
    killSignal: "SIGKILL",
  });
  expect(await once(node, "exit")).toEqual([0, null]);
});

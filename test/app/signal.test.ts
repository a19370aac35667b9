// Signals over the loss of their session: the newest of each key arrives, whenever it was said.
import { connect } from "@raceway/client";
import { memoryTransport } from "@raceway/core";
import { raceway } from "@raceway/server";
import { virtualClock } from "@raceway/testkit";
import { expect, it } from "vitest";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { handlers } from "./lab.ts";

it("does not hand a signal to the call that was lost, between its end and the next", async () => {
  const clock = virtualClock();
  const link = memoryTransport();
  const calls: string[] = [];
  const start = async () => {
    const app = raceway({ transports: [link.server], clock });
    app.serve(labService, handlers(calls, clock));
    await app.listen({ port: 0, host: "127.0.0.1" });
    return app;
  };
  const first = await start();
  await using connection = connect("http://lab", { transports: [link.client], clock });
  const cursor = labClient(connection).cursor();
  await clock.settle();
  cursor.send({ userId: "a", x: 1 });
  await clock.advance(10);
  const closing = first.close(0);
  await clock.settle();
  await closing;
  cursor.send({ userId: "a", x: 2 }); // its call is lost, the next is not begun
  await clock.settle();
  const second = await start();
  await clock.advance(5_000);
  const done = cursor.close();
  await clock.advance(1_000);
  await done;
  expect(calls).toEqual(["cursor a 1", "cursor a 2"]);
  const ending = second.close(0);
  await clock.advance(100);
  await ending;
});

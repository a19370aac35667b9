// What an attacker would try against the service that runs a server from outside: to use it, and to come in though he is to stay away.
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { connect } from "@raceway/client";
import { memoryTransport, reasonOf } from "@raceway/core";
import { Admin } from "@raceway/core/admin";
import { rbac } from "@raceway/middleware/rbac";
import { raceway } from "@raceway/server";
import { serveAdmin } from "@raceway/server/admin";
import { virtualClock } from "@raceway/testkit";
import { adminStage, uses } from "../admin/admin-stage.ts";
import { handlers } from "../app/lab.ts";
import { hello, rawPeer, welcomeOf } from "../app/raw-peer.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { names, outcome, wayNames } from "../middleware/stage.ts";
import { type Attack, holds } from "./attack.ts";

export const admins: readonly Attack[] = [
  {
    name: "each method of the admin service, by who is no operator",
    async run() {
      await using it = await adminStage();
      const leaving = new AbortController();
      const bystander = it.client("websocket", "ann").ticks({ board: "tea" }, { signal: leaving.signal });
      const events: unknown[] = [];
      const reading = outcome(
        (async () => {
          for await (const event of bystander) events.push(event);
        })(),
      );
      await it.subscribed("boards/tea/ticks", 1);
      const strangers = ["", "bob", "operator", "bob operator", "bob admin #user", "bob #Operator", "bob #operator,x"];
      for (const way of wayNames) {
        for (const credential of strangers) {
          const stranger = it.operator(way, credential);
          for (const [method, use] of Object.entries(uses)) {
            const got = reasonOf(await outcome(use(stranger)));
            const wanted = credential === "" ? "credential_missing" : "permission_denied";
            holds(got === wanted, `${method} by ${way} as ${JSON.stringify(credential)}: ${got ?? "an answer"}`);
          }
        }
      }
      holds(events.length === 0, "something was published");
      await it.subscribed("boards/tea/ticks", 1);
      leaving.abort();
      holds(
        (await reading) === "ok" || ConnectError.from(await reading).code === Code.Canceled,
        "the bystander was sent away",
      );
      return `refused with permission_denied and credential_missing by ${wayNames.length} ways in, ${Admin.methods.length} methods, ${strangers.length} kinds each`;
    },
  },
  {
    name: "an opening, a resume and a fresh credential in the very moment in which their principal is sent away",
    async run() {
      let refused = 0;
      for (let step = 0; step < 60; step++) {
        const clock = virtualClock();
        const memory = memoryTransport();
        await using app = raceway({
          transports: [memory.server],
          clock,
          use: [names, rbac({ default: "public" })],
        });
        app.serve(labService, handlers([], clock));
        serveAdmin(app, { auth: { public: true } });
        await app.listen({ port: 0, host: "127.0.0.1" });
        await using operator = connect("http://lab", { transports: [memory.client], clock, probeMs: 0 });
        const admin = createClient(Admin, operator);
        await admin.count({});
        const there = await rawPeer(memory, clock);
        there.say(hello({ credential: "mallory" }));
        await clock.settle();
        const { session, secret } = welcomeOf(there);
        const [opens, resumes] = [await rawPeer(memory, clock), await rawPeer(memory, clock)];
        const act = admin.disconnect({ whom: { case: "principal", value: "mallory" }, stayAway });
        for (let turn = 0; turn < step; turn++) await (turn % 3 === 2 ? macrotask() : Promise.resolve());
        opens.say(hello({ credential: "mallory" }));
        resumes.say(hello({ credential: "mallory", session, secret }));
        there.say({ kind: "auth", credential: "mallory", expiresMs: 0 });
        await act;
        await clock.settle();
        await clock.advance(10);
        refused += [...opens.frames, ...resumes.frames].filter(({ kind }) => kind === "goaway").length;
        const left = (await admin.count({ principal: "mallory" })).sessions;
        holds(left === 0, `step ${step}: ${left} sessions are left`);
        const closing = app.close(0);
        await clock.advance(100);
        await closing;
      }
      return `stays_away: refused or ended, ${refused} of 120 with a word, none is left`;
    },
  },
];

const stayAway = { seconds: 60n, nanos: 0 };
const macrotask = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

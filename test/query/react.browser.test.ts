// Queries of a service in React, in a real browser: StrictMode, Suspense, coming and going, error boundaries, mutations.
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { useMutation, useQuery, useSuspenseQuery } from "@tanstack/react-query";
import { createElement, type ReactNode, useState } from "react";
import { expect, inject, it, vi } from "vitest";
import { type LabQueries, labQueries } from "../gen/lab/v1/lab.query.ts";
import { LabService } from "../gen/lab/v1/lab_pb.ts";
import { counted, page } from "./page.tsx";

const until = (holds: () => void): Promise<void> => vi.waitFor(holds, { timeout: 10_000, interval: 5 });
/** Each test has a topic of its own. */
const anyBoard = (): number => Math.floor(Math.random() * 1_000_000_000);

interface BoardProps {
  readonly lab: LabQueries;
  readonly board: number;
  readonly graceMs?: number;
}
/** Suspends until something was said; shows all that was. A busy machine may take longer to show it than the default grace. */
function All({ lab, board, graceMs = 60_000 }: BoardProps): ReactNode {
  const { data } = useSuspenseQuery(lab.ticks.accumulated({ board: `page-${board}` }, { from: "start", graceMs }));
  return `all: ${data.map(({ sequence }) => sequence).join(" ")}`;
}
function Newest({ lab, board }: BoardProps): ReactNode {
  const { data, isPending } = useQuery(lab.ticks.live({ board: `page-${board}` }));
  return isPending ? "newest: none" : `newest: ${data?.symbol}`;
}

it("shows what is live, in StrictMode and with Suspense, by one subscription for all who look", async () => {
  await using connection = counted(inject("labUrl"));
  const lab = labQueries(connection.transport);
  const { mutationFn: add } = lab.add.mutation();
  const board = anyBoard();
  using shown = page();
  shown.show([
    createElement(All, { key: 1, lab, board }),
    "; ",
    createElement(All, { key: 2, lab, board }),
    "; ",
    createElement(Newest, { key: 3, lab, board }),
  ]);
  await until(() => expect(shown.text()).toBe("waiting"));
  await add({ a: board, b: 1 });
  await until(() => expect(shown.text()).toBe("all: 1; all: 1; newest: none"));
  await until(() => expect(connection.running()).toBe(2));
  await add({ a: board, b: 2 });
  await until(() => expect(shown.text()).toBe(`all: 1 2; all: 1 2; newest: page ${board}, row 2`));
  expect(connection.begun()).toBe(2); // one for the list, one for the newest
  expect(connection.links()).toBe(1);
});

it("goes on by position when a component comes back after its subscription has ended", async () => {
  await using connection = counted(inject("labUrl"));
  const lab = labQueries(connection.transport);
  const { mutationFn: add } = lab.add.mutation();
  const board = anyBoard();
  using shown = page();
  await add({ a: board, b: 1 });
  // React holds back what Suspense waited for, 300 ms at most.
  shown.show(createElement(All, { lab, board, graceMs: 600 }));
  await until(() => expect(shown.text()).toBe("all: 1"));
  shown.show("elsewhere");
  await until(() => expect(connection.running()).toBe(0));
  await add({ a: board, b: 2 });
  shown.show(createElement(All, { lab, board, graceMs: 600 }));
  await until(() => expect(shown.text()).toBe("all: 1 2"));
  await add({ a: board, b: 3 });
  await until(() => expect(shown.text()).toBe("all: 1 2 3"));
  expect(connection.running()).toBe(1);
});

it("moves to another key and back without a gap", async () => {
  await using connection = counted(inject("labUrl"));
  const lab = labQueries(connection.transport);
  const { mutationFn: add } = lab.add.mutation();
  const boards = [anyBoard(), anyBoard()] as const;
  function Switching(): ReactNode {
    const [at, set] = useState<0 | 1>(0);
    return [
      createElement(All, { key: "all", lab, board: boards[at], graceMs: 20 }),
      createElement("button", { key: "button", onClick: () => set(at === 0 ? 1 : 0) }, "switch"),
    ];
  }
  using shown = page();
  await add({ a: boards[0], b: 1 });
  await add({ a: boards[1], b: 5 });
  shown.show(createElement(Switching));
  await until(() => expect(shown.text()).toContain("all: 1"));
  shown.click("switch");
  await until(() => expect(shown.text()).toContain("all: 5"));
  await until(() => expect(connection.running()).toBe(1));
  await add({ a: boards[0], b: 2 });
  shown.click("switch");
  await until(() => expect(shown.text()).toContain("all: 1 2"));
});

it("mutates, and shows what a call failed with", async () => {
  await using connection = counted(inject("labUrl"));
  const lab = labQueries(connection.transport);
  const board = anyBoard();
  function Adding(): ReactNode {
    const adding = useMutation(lab.add.mutation());
    return [
      adding.data === undefined ? adding.status : `sum ${adding.data.sum}`,
      createElement("button", { key: 1, onClick: () => adding.mutate({ a: board, b: 1 }) }, "add"),
    ];
  }
  using shown = page();
  shown.show(createElement(Adding));
  await until(() => expect(shown.text()).toBe("idleadd"));
  shown.click("add");
  await until(() => expect(shown.text()).toBe(`sum ${board + 1}add`));
});

it("hands errors to the boundary, before the first message and after it, and goes on when that is told to", async () => {
  let runs = 0;
  const transport = createRouterTransport(({ service }) => {
    service(LabService, {
      async *count() {
        runs++;
        if (runs === 1) throw new ConnectError("not now", Code.PermissionDenied);
        yield { value: runs };
        if (runs === 2) throw new ConnectError("broken", Code.DataLoss);
        await new Promise<never>(() => {});
      },
    });
  });
  const options = labQueries(transport).count.live({ from: 1 });
  function Counting(): ReactNode {
    const { data } = useQuery({ ...options, throwOnError: true });
    return data === undefined ? "none" : `run ${data.value}`;
  }
  using shown = page();
  shown.show(createElement(Counting));
  await until(() => expect(shown.text()).toContain("failed: [permission_denied] not now"));
  shown.click("again");
  await until(() => expect(shown.text()).toContain("failed: [data_loss] broken"));
  shown.click("again");
  await until(() => expect(shown.text()).toBe("run 3"));
  expect(runs).toBe(3);
});

it("hands an error before the first message to the boundary of a component that suspends, and keeps what came before one after it", async () => {
  let runs = 0;
  const broken = Promise.withResolvers<never>();
  const transport = createRouterTransport(({ service }) => {
    service(LabService, {
      async *count() {
        runs++;
        if (runs === 1) throw new ConnectError("not now", Code.PermissionDenied);
        yield { value: runs };
        await broken.promise;
      },
    });
  });
  const options = labQueries(transport).count.live({ from: 1 });
  function Counting(): ReactNode {
    const { data, error } = useSuspenseQuery(options);
    return `run ${data.value}${error === null ? "" : `, then ${error.rawMessage}`}`;
  }
  using shown = page();
  shown.show(createElement(Counting));
  await until(() => expect(shown.text()).toContain("failed: [permission_denied] not now"));
  shown.click("again");
  await until(() => expect(shown.text()).toBe("run 2"));
  broken.reject(new ConnectError("broken", Code.DataLoss));
  await until(() => expect(shown.text()).toBe("run 2, then broken"));
});

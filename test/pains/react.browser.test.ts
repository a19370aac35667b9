// Row 19 of what went wrong elsewhere, in React: batching that drops events, and StrictMode that opens two sockets.
import { useSuspenseQuery } from "@tanstack/react-query";
import { createElement, type ReactNode, useEffect } from "react";
import { expect, inject, it, vi } from "vitest";
import { type LabQueries, labQueries } from "../gen/lab/v1/lab.query.ts";
import { counted, page } from "../query/page.tsx";

const until = (holds: () => void): Promise<void> => vi.waitFor(holds, { timeout: 10_000, interval: 5 });
const anyBoard = (): number => Math.floor(Math.random() * 1_000_000_000);
const EVENTS = 1_000;

/** Adds up what it is shown, in the reducer, and in an effect as users do who want to act on each event. */
function Counting({ lab, board, seen }: { lab: LabQueries; board: number; seen: number[] }): ReactNode {
  const options = { limit: 2 * EVENTS, graceMs: 60_000 }; // a busy machine may take longer than the default to show it
  const { data } = useSuspenseQuery(lab.ticks.accumulated({ board: `page-${board}` }, options));
  useEffect(() => {
    for (const { sequence } of data.slice(seen.length)) seen.push(sequence);
  }, [data, seen]);
  return `${data.length} events`;
}

it("apollo-client PR 11066, partykit #336, socket.io-client #1575: in StrictMode a thousand events in a turn come over one link, all are seen, and React has one change to make", async () => {
  await using connection = counted(inject("labUrl"));
  const lab = labQueries(connection.transport);
  const { mutationFn: add } = lab.add.mutation();
  const board = anyBoard();
  const seen: number[] = [];
  using shown = page();
  shown.show(createElement(Counting, { lab, board, seen }));
  await until(() => expect(connection.running()).toBe(1));
  await add({ a: board, b: 0 });
  await until(() => expect(seen).toEqual([0]));
  const commits = shown.commits();
  await add({ a: board, b: -EVENTS });
  await until(() => expect(shown.text()).toBe(`${EVENTS + 1} events`));
  expect(seen).toEqual(Array.from({ length: EVENTS + 1 }, (_, at) => at));
  expect(shown.commits() - commits).toBe(1);
  expect(connection.links()).toBe(1);
  expect(connection.begun()).toBe(1);
});

it("apollo-client PR 11066: a thousand events one after the other are a thousand in order, in at most as many changes", async () => {
  await using connection = counted(inject("labUrl"));
  const lab = labQueries(connection.transport);
  const { mutationFn: add } = lab.add.mutation();
  const board = anyBoard();
  const seen: number[] = [];
  using shown = page();
  shown.show(createElement(Counting, { lab, board, seen }));
  await until(() => expect(connection.running()).toBe(1));
  for (let first = 1; first <= EVENTS; first += 50)
    await Promise.all(Array.from({ length: 50 }, (_, at) => add({ a: board, b: first + at })));
  await until(() => expect(seen).toHaveLength(EVENTS));
  expect(seen).toEqual(Array.from({ length: EVENTS }, (_, at) => at + 1));
});

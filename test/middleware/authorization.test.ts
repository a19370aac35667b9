// One rule about a room, held on subscribe, on recovery from history, on resume and on publish, by every transport and at every door.
import { type Position, reasonOf } from "@raceway/core";
import { rbac } from "@raceway/middleware/rbac";
import { describe, expect, it } from "vitest";
import { type LabClient, type Stage, first, names, outcome, stage, wayNames } from "./stage.ts";

/** Board "tea" is for its members. Who calls Echo publishes to the board of that name. */
async function teaRoom(): Promise<Stage & { readonly members: Set<string>; readonly tea: Position }> {
  const members = new Set(["ann"]);
  const channel = "lab.v1.LabService/Ticks";
  const isMember = (id: string, address: string | undefined): boolean =>
    address !== "boards/tea/ticks" || members.has(id);
  const it: Stage = await stage({
    use: [
      names,
      rbac({
        rules: { [channel]: ({ principal, address }) => isMember(principal.id, address) },
        publish: { [channel]: ({ principal, address }) => isMember(principal.id, address) },
      }),
    ],
    handlers: {
      async echo({ text }, context) {
        await it.topics.ticks.publish({ board: text }, { sequence: 100 }, context);
        return {};
      },
    },
  });
  const tea = await it.topics.ticks.publish({ board: "tea" }, { sequence: 1 });
  await it.topics.ticks.publish({ board: "tea" }, { sequence: 2 });
  return Object.assign(it, { members, tea });
}

interface Reading {
  readonly got: number[];
  ended: unknown;
}
function reading(client: LabClient, after: string | undefined): Reading {
  const it: Reading = { got: [], ended: undefined };
  const headers = after === undefined ? {} : { "raceway-after": after };
  const read = async (): Promise<void> => {
    for await (const { sequence } of client.ticks({ board: "tea" }, { headers })) it.got.push(sequence);
  };
  void outcome(read()).then((ended) => (it.ended = ended));
  return it;
}

describe.each(wayNames)("by %s", (way) => {
  const isDoor = way.includes("door");

  it("only members subscribe, from now on or from a place in the history", async () => {
    await using it = await teaRoom();
    const places = [undefined, "start", `${it.tea.epoch}:${it.tea.offset}`];
    for (const after of places) {
      const stranger = reading(it.client(way, "bob"), after);
      await expect.poll(() => reasonOf(stranger.ended)).toBe("permission_denied");
      expect(stranger.got).toEqual([]);
    }
    expect(
      await outcome(
        first(
          it.client(way, "bob").ticks({ board: "open" }, { headers: { "raceway-after": "start" }, timeoutMs: 200 }),
        ),
      ),
    ).not.toHaveProperty("code", 7);
    if (!isDoor) return;
    // At a door the header says where to begin; in sessions it is the client's own affair.
    const member = reading(it.client(way, "ann"), places[2]);
    await expect.poll(() => member.got).toEqual([2]);
  });

  it("only members publish through a handler that says for whom it does", async () => {
    await using it = await teaRoom();
    expect(reasonOf(await outcome(it.client(way, "bob").echo({ text: "tea" })))).toBe("permission_denied");
    expect(await outcome(it.client(way, "bob").echo({ text: "open" }))).toBe("ok");
    expect(await outcome(it.client(way, "ann").echo({ text: "tea" }))).toBe("ok");
    const { offset } = await it.topics.ticks.publish({ board: "tea" }, { sequence: 3 });
    expect(offset).toBe(it.tea.offset + 3); // two before, the member's, and this one: nothing of the stranger's
  });
});

// A poll link outlives its connections: a cut brings no resume there.
describe.each(wayNames.filter((way) => way !== "memory" && way !== "poll"))("by %s", (way) => {
  it("whoever is a member no longer when he comes back gets nothing of what he missed", async () => {
    await using it = await teaRoom();
    const { client, cut } = await it.behind(way, "ann");
    const member = reading(client, undefined);
    let sequence = 10;
    await expect
      .poll(async () => {
        await it.topics.ticks.publish({ board: "tea" }, { sequence: sequence++ });
        return member.got.length;
      })
      .toBeGreaterThan(0);
    it.members.delete("ann");
    cut();
    await it.topics.ticks.publish({ board: "tea" }, { sequence: 1_000 });
    if (way.includes("door")) {
      // A door has no session: its stream breaks, and the client comes back with its place.
      await expect.poll(() => member.ended).toBeDefined();
      const again = reading(client, `${it.tea.epoch}:${it.tea.offset}`);
      await expect.poll(() => reasonOf(again.ended)).toBe("permission_denied");
      expect(again.got).toEqual([]);
    } else await expect.poll(() => reasonOf(member.ended), { timeout: 5_000 }).toBe("permission_denied");
    expect(member.got).not.toContain(1_000);
  });
});

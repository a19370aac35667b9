// The page runner in a page: what people see, and what programs read.
import { expect, test } from "vitest";
import { memorySubject } from "./memory-subject.ts";
import { runPage } from "./page.ts";
import { linkSuites } from "./suites.ts";

test(
  "runs every suite of the memory link in a page, and says so to people and to programs",
  { timeout: 60_000 },
  async () => {
    const into = document.body.appendChild(document.createElement("main"));
    const result = await runPage(linkSuites(memorySubject()), into);
    const failures = result.suites.flatMap(({ results }) => results.filter(({ outcome }) => outcome === "failed"));
    expect(failures).toEqual([]);
    expect(result.passed).toBeGreaterThan(50);
    expect(into.dataset["compliance"]).toBe("passed");
    expect(into.querySelector("h1")?.textContent).toBe(`Compliance: ${result.passed} passed, 0 failed, 0 left out`);
    expect(into.querySelectorAll("h2").length).toBe(4);
    expect(JSON.parse(into.querySelector("script")?.textContent ?? "")).toEqual(result);
  },
);

test("shows a case that fails with its reason, as text and not as markup", async () => {
  const into = document.body.appendChild(document.createElement("main"));
  const cases = [
    { name: "breaks <b>", run: () => Promise.reject(new Error("<img src=x>")) },
    { name: "does not apply", needs: { what: "wings", met: false }, run: () => Promise.resolve() },
  ];
  const { failed, leftOut } = await runPage([{ title: "Some", cases }], into);
  expect({ failed, leftOut, compliance: into.dataset["compliance"] }).toEqual({
    failed: 1,
    leftOut: 1,
    compliance: "failed",
  });
  expect(into.querySelector("li.failed pre")?.textContent).toBe("<img src=x>");
  expect(into.querySelector("img")).toBeNull();
  expect(into.querySelector("li.left-out small")?.textContent).toBe("needs wings");
});

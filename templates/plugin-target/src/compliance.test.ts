// The compliance kit on this target: every promise that a target makes.
import { targetCases } from "@raceway/testkit";
import { registerCases } from "@raceway/testkit/vitest";
import { describe } from "vitest";
import { subject } from "./subject.ts";

describe("channels", () => registerCases(targetCases(subject)));

// The compliance kit on this store: every promise that a store makes.
import { storeCases } from "@raceway/testkit";
import { registerCases } from "@raceway/testkit/vitest";
import { describe } from "vitest";
import { subject } from "./subject.ts";

describe("file store", () => registerCases(storeCases(subject)));

// The compliance kit on this plugin: what it owes to calls, to those whom it refuses and to its host, by sessions and by a native door.
import { describePlugin } from "@raceway/testkit/vitest";
import { bothHalves, subject } from "./subject.ts";

describePlugin(subject);
describePlugin(bothHalves);

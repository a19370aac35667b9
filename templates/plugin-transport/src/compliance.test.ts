// The compliance kit on this transport: every promise that a link makes, and sessions over it, in all formats and codecs.
import { describeLink } from "@raceway/testkit/vitest";
import { subject } from "./subject.ts";

describeLink(subject);

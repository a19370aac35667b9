// The compliance kit on this codec: every promise that a codec makes.
import { describeCodec } from "@raceway/testkit/vitest";
import { subject } from "./subject.ts";

describeCodec("cbor", subject);

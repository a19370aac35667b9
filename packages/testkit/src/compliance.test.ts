// The memory link, with which a transport's author compares, keeps every rule.
import { memorySubject } from "./memory-subject.ts";
import { describeLink } from "./vitest.ts";

describeLink(memorySubject());
describeLink(memorySubject({ transport: "memory-text", text: true }));

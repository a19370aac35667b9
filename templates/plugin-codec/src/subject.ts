// This codec as a subject of the compliance kit: for `npm test`, and for `raceway plugin test ./dist/subject.js`.
import type { CodecSubject } from "@raceway/testkit";
import { cbor } from "./codec.ts";

const text = (value: string): readonly number[] => [0x60 + value.length, ...new TextEncoder().encode(value)];

export const subject: CodecSubject = {
  codec: () => cbor(),
  unknownFields: "passed over", // as in JSON
  *hostile() {
    const child = [0xa1, ...text("child")];
    yield Uint8Array.from(Array.from({ length: 5_000 }, () => child).flat()); // deep, and cut off
    yield Uint8Array.from([...Array.from({ length: 5_000 }, () => child).flat(), 0xa0]); // deep, and whole
    yield Uint8Array.from([0xa1, ...text("unknown"), ...new Uint8Array(5_000).fill(0x81), 0x80]); // where the schema has nothing
    yield Uint8Array.of(0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff); // a count that lies
    yield Uint8Array.of(0xa1, ...text("children"), 0x9a, 0x7f, 0xff, 0xff, 0xff); // and another
    yield Uint8Array.of(0xa1, ...text("name"), 0x7a, 0x7f, 0xff, 0xff, 0xff, 0x61); // a length that lies
    yield Uint8Array.of(0xa1, ...text("name"), 0x62, 0xc3, 0x28); // no UTF-8
    yield Uint8Array.of(0xa2, ...text("name"), ...text("a"), ...text("name"), ...text("b")); // a key twice
    yield Uint8Array.of(0xbf, 0xff); // a map without an end
    yield Uint8Array.of(0xc0, 0xa0); // a tag
    yield Uint8Array.of(0xf6); // null
    yield new Uint8Array(0);
  },
};

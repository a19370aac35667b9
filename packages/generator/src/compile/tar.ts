// Files in memory as a tar archive (POSIX.1-2001, pax), which a program can take from its standard input.

const BLOCK = 512;
/** Bytes of a name that a header has room for. */
const NAME = 100;

/** Paths are relative and divided by "/". The archive says nothing of time, owner or machine. */
export function tarOf(files: Iterable<readonly [path: string, content: Uint8Array]>): Buffer {
  const parts: Buffer[] = [];
  for (const [path, content] of files) {
    if (Buffer.byteLength(path) > NAME) parts.push(...entry("x", "pax", Buffer.from(record(`path=${path}`))));
    parts.push(...entry("0", path, content));
  }
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]);
}

function entry(type: "0" | "x", name: string, content: Uint8Array): readonly Buffer[] {
  const header = Buffer.alloc(BLOCK);
  header.write(name, 0, NAME);
  header.write("0000644\0", 100);
  header.write("0000000\0".repeat(2), 108); // owner and group
  header.write(`${content.length.toString(8).padStart(11, "0")}\0`, 124);
  header.write(`${"0".repeat(11)}\0`, 136); // time
  header.write(" ".repeat(8), 148); // the checksum itself counts as blanks
  header.write(type, 156);
  header.write("ustar\x0000", 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return [header, Buffer.from(content), Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK)];
}

/** "30 path=…\n": begins with its own length, of which the digits are a part. */
function record(text: string): string {
  const rest = Buffer.byteLength(` ${text}\n`);
  let length = rest;
  while (length !== rest + String(length).length) length = rest + String(length).length;
  return `${length} ${text}\n`;
}
